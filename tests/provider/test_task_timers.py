"""Task timers: many deadlines in one event loop, by one timer of the loop's."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from openfeature_triton.provider import DeadlineExceededError, error_class
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.task_timers import TaskTimer, TaskTimers
from tests.provider.endpoints import answers, ask_async, drips
from tests.provider.test_calls import ASKED, Bench, bench

__all__ = ["bench"]  # a fixture


async def cut_off(timers: TaskTimers, total_s: float, sleep_s: float) -> str:
    """Sleep under a deadline; say what came first."""
    timer = timers.start(Deadline(total_s))
    try:
        await asyncio.sleep(sleep_s)
    except asyncio.CancelledError as error:
        return "cut off" if timer.raised(error) else "cancelled"
    else:
        return "done"
    finally:
        timer.stop()


def test_each_call_has_its_own_deadline() -> None:
    """Side by side in one loop, in whatever order they begin and end."""
    asked = [(5.0, 0.01), (0.05, 5.0), (0.2, 0.1), (0.1, 5.0), (0.15, 0.01), (5.0, 0.3)]

    async def run() -> list[str]:
        timers = TaskTimers()
        return await asyncio.gather(*(cut_off(timers, *each) for each in asked))

    assert asyncio.run(run()) == ["done", "cut off", "done", "cut off", "done", "done"]


def test_a_call_after_another_keeps_its_deadline() -> None:
    """Though the loop's timer was set for one that is over, earlier or later."""
    asked = [(0.2, 0.0), (5.0, 0.3), (60.0, 0.0), (0.1, 5.0), (0.1, 5.0)]

    async def run() -> list[str]:
        timers = TaskTimers()
        return [await cut_off(timers, *each) for each in asked]

    assert asyncio.run(run()) == ["done", "done", "done", "cut off", "cut off"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 can't count who cancels")
def test_a_task_that_is_late_and_cancelled_is_cancelled() -> None:
    """Whoever cancelled it waits for its end: the deadline does not take that away."""
    started: list[TaskTimer] = []

    class Noted(TaskTimers):
        def start(self, deadline: Deadline) -> TaskTimer:
            started.append(super().start(deadline))
            return started[-1]

    async def run() -> str:
        task = asyncio.create_task(cut_off(Noted(), 60.0, 5.0))
        await asyncio.sleep(0)
        started[0].expire()
        task.cancel()
        return await task

    assert asyncio.run(run()) == "cancelled"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 can't count who cancels")
def test_a_task_that_was_cancelled_before_is_cut_off() -> None:
    """What it does while it ends has its deadline, too; and it stays as cancelled as it was."""

    async def tidy_up() -> tuple[str, int]:
        task: Any = asyncio.current_task()
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return await cut_off(TaskTimers(), 0.05, 5.0), task.cancelling()
        return "done", 0

    async def run() -> tuple[str, int]:
        task = asyncio.create_task(tidy_up())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(run()) == ("cut off", 1)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 can't count who cancels")
def test_a_cut_off_that_a_service_swallows_is_taken_back() -> None:
    """Else the task would count as cancelled for ever."""

    async def run() -> int:
        timer = TaskTimers().start(Deadline(0.05))
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        timer.stop()
        task: Any = asyncio.current_task()
        return int(task.cancelling())

    assert asyncio.run(run()) == 0


def test_the_inner_of_two_deadlines_is_told_apart() -> None:
    """A call within a call: each knows its own end, and the task goes on."""

    async def run() -> str:
        timers = TaskTimers()
        outer = timers.start(Deadline(5.0))
        inside = await cut_off(timers, 0.05, 1.0)
        await asyncio.sleep(0)
        outer.stop()
        return inside

    assert asyncio.run(run()) == "cut off"


def test_the_next_turn_is_not_hit(bench: Bench) -> None:
    """A task whose call was cut off can ask again, under a deadline of its own."""
    bench.serve("asr-fast", drips)
    experiments = bench.experiments()

    async def run() -> float:
        for deadline_s in (0.3, 0.1):
            with pytest.raises(DeadlineExceededError) as caught:
                async with experiments.infer_async("asr", **ASKED, deadline_s=deadline_s) as call:
                    await ask_async(call)
            assert error_class(caught.value) == "timeout"
        bench.serve("asr-fast", answers())
        async with experiments.infer_async("asr", **ASKED, deadline_s=5.0) as call:
            return await ask_async(call)

    assert asyncio.run(run()) == 2.0


def test_closing_the_clients_leaves_the_deadlines(bench: Bench) -> None:
    """A call that runs while the loop's clients are closed ends in bounded time all the same."""
    experiments = bench.experiments()

    async def run() -> None:
        async with experiments.infer_async("asr", **ASKED, deadline_s=0.2):
            await experiments.clients.aclose()
            await asyncio.sleep(10)

    started_s = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        asyncio.run(run())
    assert time.monotonic() - started_s < 5


def test_calls_that_are_over_leave_one_timer_in_the_loop() -> None:
    """A timer for each would fill the loop's heap."""

    async def run() -> int:
        timers, before = TaskTimers(), len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
        for _ in range(50):
            await cut_off(timers, 60.0, 0.0)
        return len(asyncio.get_running_loop()._scheduled) - before  # type: ignore[attr-defined]

    assert asyncio.run(run()) == 1
