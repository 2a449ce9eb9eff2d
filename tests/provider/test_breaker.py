"""Breakers: who keeps failing is left alone for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from openfeature_triton.provider import RouteReason, Service
from openfeature_triton.provider.breaker import Breakers
from tests.provider.endpoints import HTML_500, answers, ask
from tests.provider.test_calls import ASKED, OWN, Bench, run_sync

SERVICE = Service("asr", "asr", "127.0.0.1:9", "m")


class Clock:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        """The present time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    """Three failures in a row, ten seconds of rest."""
    return Breakers(3, 10.0, clock)


def fail(breakers: Breakers, times: int) -> None:
    """Fail so often."""
    for _ in range(times):
        breakers.judge(SERVICE, failed=True)


def test_failures_in_a_row_open_it(breakers: Breakers) -> None:
    """One fewer does not, nor do as many with an answer between them."""
    fail(breakers, 2)
    breakers.judge(SERVICE, failed=False)
    fail(breakers, 2)
    assert breakers.allows(SERVICE)
    fail(breakers, 1)
    assert not breakers.allows(SERVICE)
    assert (breakers.states(), breakers.opened) == ({"asr": "open"}, 1)


def test_after_its_rest_one_request_probes(breakers: Breakers, clock: Clock) -> None:
    """The others still go elsewhere; its answer closes the breaker."""
    fail(breakers, 3)
    clock.now_s = 9.9
    assert not breakers.allows(SERVICE)
    clock.now_s = 10.0
    assert [breakers.allows(SERVICE) for _ in range(3)] == [True, False, False]
    assert breakers.states() == {"asr": "half_open"}
    breakers.judge(SERVICE, failed=False)
    assert breakers.allows(SERVICE)
    assert not breakers.states()


def test_a_failed_probe_means_another_rest(breakers: Breakers, clock: Clock) -> None:
    """Counted as another opening."""
    fail(breakers, 3)
    clock.now_s = 10.0
    assert breakers.allows(SERVICE)
    fail(breakers, 1)
    assert not breakers.allows(SERVICE)
    clock.now_s = 20.0
    assert breakers.allows(SERVICE)
    assert breakers.opened == 2


def test_a_probe_of_which_nothing_is_heard_is_followed_by_another(
    breakers: Breakers, clock: Clock
) -> None:
    """Who only asks for routes tells nothing back."""
    fail(breakers, 3)
    clock.now_s = 10.0
    assert breakers.allows(SERVICE)
    clock.now_s = 20.0
    assert breakers.allows(SERVICE)


def test_a_new_endpoint_starts_with_a_clean_record(breakers: Breakers) -> None:
    """The service moved: its failures stay behind."""
    fail(breakers, 3)
    assert breakers.allows(replace(SERVICE, url="127.0.0.1:10"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An experiment without services yet."""
    with ExitStack() as stack:
        yield Bench(tmp_path / "flags.json", stack)


def test_an_endpoint_that_keeps_failing_is_not_asked(bench: Bench) -> None:
    """The own service answers; assigned and served are recorded, the reason is told and counted."""
    theirs, own = bench.serve("asr-fast", HTML_500), bench.serve(OWN, answers())
    experiments = bench.experiments(breaker_failures=2)
    for _ in range(5):
        assert run_sync(experiments) == 2.0
    assert (theirs.posts, own.posts) == (2, 5)
    route = experiments.route("asr", **ASKED)
    assert route.reason is RouteReason.ENDPOINT_FAILING
    assert (route.variant, route.served, route.service_id) == ("treatment", "own", OWN)
    stats: Any = experiments.stats()
    assert stats["breakers"] == {"asr-fast": "open"}
    assert stats["counts"]["endpoint_failing"] == 4
    served = [details.attributes["served"] for name, details in bench.events if name == "inference"]
    assert served == ["own"] * 5
    told = [details.attributes for name, details in bench.events if name == "breaker"]
    assert told == [{"service_id": "asr-fast", "state": "open"}]


def test_an_endpoint_that_recovers_gets_its_requests_again(bench: Bench) -> None:
    """A probe finds it out."""
    bench.serve("asr-fast", HTML_500)
    bench.serve(OWN, answers())
    experiments = bench.experiments(breaker_failures=1, breaker_rest_s=0.01)
    run_sync(experiments)
    url = bench.services["asr-fast"].url
    theirs = bench.serve("asr-fast", answers())
    assert url != theirs.url
    while not theirs.posts:
        run_sync(experiments)
    told = [details.attributes["state"] for name, details in bench.events if name == "breaker"]
    assert told == ["open", "closed"]
    assert bench.events[-1][1].attributes["served"] == "treatment"


def test_infer_feeds_the_breaker_too(bench: Bench) -> None:
    """Without a fallback, the next request goes to the own service."""
    bench.serve("asr-fast", HTML_500)
    bench.serve(OWN, answers())
    experiments = bench.experiments(breaker_failures=1)
    with pytest.raises(InferenceServerException), experiments.infer("asr", **ASKED) as call:
        ask(call)
    with experiments.infer("asr", **ASKED) as call:
        assert ask(call) == 2.0
