"""When InfluxDB is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings
from openfeature_triton.hooks.influx_writer import Answer, Verdict
from openfeature_triton.hooks.patience import DELIVERING, LONE_S, Patience, delay_s

INFLUX = InfluxSettings(url="http://127.0.0.1:9", token=SecretStr("t"))
UNAVAILABLE = Answer(Verdict.LATER, 503)


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The clock that patience goes by."""
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    """Patience with a server that has just answered 503 for the tenth time."""
    tried = Patience(INFLUX, clock)
    for _ in range(10):
        tried.put_off(UNAVAILABLE)
    return tried


@pytest.mark.parametrize(
    ("answer", "failures", "least_s", "most_s"),
    [
        (Answer(Verdict.LATER, 429, retry_after_s=1), 1, 1, 1.25),
        (Answer(Verdict.LATER, 429, retry_after_s=3600), 1, 60, 75),
        (Answer(Verdict.LATER, 503), 1, 0.1, 1),
        (Answer(Verdict.LATER, 503), 100, 60, 60),
        (Answer(Verdict.UNREACHABLE), 100, 0.1, 2),
        (Answer(Verdict.NOT_ALLOWED, 401), 100, 0.1, 5),
    ],
)
def test_waiting_grows_within_bounds(
    answer: Answer, failures: int, least_s: float, most_s: float
) -> None:
    """`Retry-After` is obeyed, and capped; a server that is not there is asked often."""
    assert least_s <= delay_s(answer, failures) <= most_s


def test_all_is_tried_when_it_is_time(patience: Patience, clock: Clock) -> None:
    """Within a minute, however often it failed."""
    assert not patience.is_over()
    clock.now_s += 60
    assert patience.is_over()
    patience.rest(10)
    assert (patience.state, patience.left_s) == (DELIVERING, 10)


def test_a_lone_point_that_is_taken_ends_the_wait(patience: Patience, clock: Clock) -> None:
    """One that is not leaves the wait as it was, and is tried again."""
    assert not patience.asks_for_a_lone_point()
    clock.now_s += LONE_S
    assert patience.asks_for_a_lone_point()
    patience.note_lone_point(taken=False)
    assert not patience.asks_for_a_lone_point()
    assert not patience.is_over()
    clock.now_s += LONE_S
    assert patience.asks_for_a_lone_point()
    patience.note_lone_point(taken=True)
    assert patience.is_over()


def test_a_server_that_takes_no_more_than_lone_points_is_left_alone(
    patience: Patience, clock: Clock
) -> None:
    """A wait that was cut short in vain is not cut short again before its time."""
    clock.now_s += LONE_S
    patience.note_lone_point(taken=True)
    patience.put_off(UNAVAILABLE)
    clock.now_s += LONE_S
    assert not patience.asks_for_a_lone_point()
    clock.now_s += 60
    assert patience.is_over()
    patience.put_off(UNAVAILABLE)
    clock.now_s += LONE_S
    assert patience.asks_for_a_lone_point()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Verdict.LATER, 429),
        Answer(Verdict.LATER, 503, retry_after_s=30),
        Answer(Verdict.NOT_ALLOWED, 401),
        Answer(Verdict.UNREACHABLE),
    ],
)
def test_no_lone_point_is_sent_where_it_is_not_wanted(answer: Answer, clock: Clock) -> None:
    """Whoever says when to come again, or to stay away, is not asked; nor is nobody."""
    patience = Patience(INFLUX, clock)
    patience.put_off(answer)
    clock.now_s += LONE_S
    assert not patience.asks_for_a_lone_point()


def test_another_token_is_tried_at_once(clock: Clock, tmp_path: Path) -> None:
    """Only where the last one was refused."""
    token = tmp_path / "token"
    token.write_text("old")
    patience = Patience(INFLUX.model_copy(update={"token_file": token}), clock)
    patience.put_off(Answer(Verdict.NOT_ALLOWED, 401))
    assert not patience.is_over()
    token.write_text("new")
    assert patience.is_over()
