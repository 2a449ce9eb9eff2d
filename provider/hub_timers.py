"""HubTimers: deadlines in a thread's gevent loop, where tritonclient over HTTP waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import Timeout, get_hub, getcurrent  # type: ignore[import-untyped]

from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.timers import Timer, Timers


class HubTimer(Timer):
    """One call's deadline in its greenlet."""

    __slots__ = ("_error", "_greenlet")

    def __init__(self, deadline: Deadline, running: set[Any]) -> None:
        super().__init__(deadline, running)
        self._greenlet = getcurrent()
        self._error: BaseException | None = None

    def _cut_off(self) -> None:
        self._error = Timeout()
        self._greenlet.throw(self._error)

    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer's end is what an exception tells of."""
        return error is not None and error is self._error


class HubTimers(Timers[HubTimer]):
    """The deadlines of the calls that run in the present thread's hub."""

    def __init__(self) -> None:
        super().__init__(HubTimer)
        self._loop = get_hub().loop
        self._native: Any = None

    def _hang_up(self, delay_s: float) -> None:
        # Without a reference: a timer that nobody needs any more keeps no loop running.
        self._native = self._loop.timer(delay_s, ref=False)
        self._native.start(self._ring, update=True)

    def _take_down(self) -> None:
        native, self._native = self._native, None
        if native is not None:
            native.close()

    def _soon(self, callback: Callable[[], None]) -> object:
        return self._loop.run_callback(callback)
