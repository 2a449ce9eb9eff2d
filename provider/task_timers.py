"""TaskTimers: deadlines in an asyncio event loop, kept by cancelling the task that is late."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.timers import Timer, Timers


class TaskTimer(Timer):
    """Cancels the present task at the deadline, and tells its own cancelling from others'.

    As `asyncio.timeout` does, which Python 3.10 lacks.
    """

    __slots__ = ("_expired", "_task")

    def __init__(self, deadline: Deadline, running: set[Any]) -> None:
        super().__init__(deadline, running)
        self._task: Any = asyncio.current_task()
        self._expired = False

    def _cut_off(self) -> None:
        self._expired = True
        self._task.cancel()

    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer cancelled the task, and nobody else did; takes the cancelling back."""
        if not self._expired:
            return False
        self._expired = False
        others = self._task.uncancel() if sys.version_info >= (3, 11) else 0
        return others == 0 and isinstance(error, asyncio.CancelledError)


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
