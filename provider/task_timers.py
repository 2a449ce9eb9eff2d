"""TaskTimers: deadlines in an asyncio event loop, kept by cancelling the task that is late."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.timers import Timer, Timers

_COUNTS = sys.version_info >= (3, 11)  # how often a task was cancelled


class TaskTimer(Timer):
    """Cancels the present task at the deadline, and tells its own cancelling from others'.

    As `asyncio.timeout` does, which Python 3.10 lacks.
    """

    __slots__ = ("_before", "_expired", "_task")

    def __init__(self, deadline: Deadline, running: set[Any]) -> None:
        super().__init__(deadline, running)
        task: Any = asyncio.current_task()
        self._task = task
        self._before = task.cancelling() if _COUNTS and task is not None else 0
        self._expired = False

    def stop(self) -> None:
        """Let the call go on, or be over; a cancelling that nobody noticed is taken back."""
        super().stop()
        if self._expired:
            self._take_back()

    def _cut_off(self) -> None:
        if self._task is not None:  # a coroutine that another framework runs can't be cut off
            self._expired = True
            self._task.cancel()

    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer cancelled the task, and nobody else did; takes the cancelling back."""
        return self._expired and self._take_back() and isinstance(error, asyncio.CancelledError)

    def _take_back(self) -> bool:
        """Take the cancelling back; says whether it was the only one since the call began."""
        self._expired = False
        return not _COUNTS or bool(self._task.uncancel() <= self._before)


class TaskTimers(Timers[TaskTimer]):
    """The deadlines of the calls that run in the present event loop."""

    def __init__(self) -> None:
        super().__init__(TaskTimer)
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None

    def _hang_up(self, delay_s: float) -> None:
        self._handle = self._loop.call_later(delay_s, self._ring)

    def _take_down(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()

    def _soon(self, callback: Callable[[], None]) -> object:
        return self._loop.call_soon(callback)
