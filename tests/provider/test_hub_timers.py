"""Hub timers: many deadlines in one gevent loop, by one native timer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent  # type: ignore[import-untyped]
import pytest

from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.hub_timers import HubTimer, HubTimers


@pytest.fixture
def timers() -> Iterator[HubTimers]:
    """Those of this thread's hub."""
    made = HubTimers()
    yield made
    made.close()


def cut_off(timers: HubTimers, total_s: float, sleep_s: float) -> str:
    """Sleep under a deadline; say what came first."""
    timer = timers.start(Deadline(total_s))
    try:
        gevent.sleep(sleep_s)
    except BaseException as error:  # noqa: BLE001 - a Timeout is no Exception
        return "cut off" if timer.raised(error) else type(error).__name__
    else:
        return "done"
    finally:
        timer.stop()


def test_each_call_has_its_own_deadline(timers: HubTimers) -> None:
    """Side by side in one hub, in whatever order they begin and end."""
    asked = [(5.0, 0.01), (0.05, 5.0), (0.2, 0.1), (0.1, 5.0), (0.15, 0.01), (5.0, 0.3)]
    running = [gevent.spawn(cut_off, timers, *each) for each in asked]
    gevent.joinall(running)
    found = [each.value for each in running]
    assert found == ["done", "cut off", "done", "cut off", "done", "done"]


def test_a_call_after_another_keeps_its_deadline(timers: HubTimers) -> None:
    """Though the native timer was set for one that is over, earlier or later."""
    assert cut_off(timers, 0.2, 0.0) == "done"
    assert cut_off(timers, 5.0, 0.3) == "done"
    assert cut_off(timers, 60.0, 0.0) == "done"
    assert cut_off(timers, 0.1, 5.0) == "cut off"
    assert cut_off(timers, 0.1, 5.0) == "cut off"


def test_an_idle_thread_is_not_late(timers: HubTimers) -> None:
    """The loop's clock stands while it does not run; a deadline counts from its start."""
    assert cut_off(timers, 0.05, 0.0) == "done"
    time.sleep(0.3)
    assert cut_off(timers, 0.2, 0.05) == "done"


def test_the_inner_of_two_deadlines_is_told_apart(timers: HubTimers) -> None:
    """A call within a call: each knows its own end."""
    outer = timers.start(Deadline(5.0))
    inner = timers.start(Deadline(0.05))
    with pytest.raises(gevent.Timeout) as caught:
        gevent.sleep(1.0)
    assert (inner.raised(caught.value), outer.raised(caught.value)) == (True, False)
    assert not outer.raised(None)
    inner.stop()
    outer.stop()


def test_one_that_is_stopped_at_the_last_moment_is_left_alone(timers: HubTimers) -> None:
    """Two are late at once, and the first that is cut off ends the other's call."""
    started: list[HubTimer] = []

    def run() -> str:
        started.append(timers.start(deadline))
        try:
            gevent.sleep(0.3)
        except gevent.Timeout:
            for each in started:
                each.stop()
            return "cut off"
        return "done"

    deadline = Deadline(0.05)
    running = [gevent.spawn(run), gevent.spawn(run)]
    gevent.joinall(running)
    assert sorted(each.value for each in running) == ["cut off", "done"]


def test_an_idle_timer_keeps_no_loop_running(timers: HubTimers) -> None:
    """A service that waits for all its greenlets does not wait for a deadline that nobody has."""
    assert cut_off(timers, 60.0, 0.0) == "done"
    assert gevent.wait(timeout=10.0) is True
