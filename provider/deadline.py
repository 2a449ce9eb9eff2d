"""Deadline: when a call must be over, whatever a server does meanwhile.

tritonclient's own timeouts are per socket operation: a server that drips bytes keeps within them
for ever. So the end of a call is enforced from outside: over HTTP by a timer in the thread's gevent
loop (`hub_timers`), over gRPC by the request's own deadline, in asyncio by cancelling the task.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from openfeature_triton.provider.errors import DeadlineExceededError

_SOONEST_S = 0.001  # what a client is given where no time is left; nought would mean no bound


class Deadline:
    """A point in time by the monotonic clock, `total_s` seconds from now."""

    __slots__ = ("at_s", "total_s")

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self.at_s = time.monotonic() + total_s

    def left_s(self) -> float:
        """How many seconds are left, a little at least."""
        return max(self.at_s - time.monotonic(), _SOONEST_S)

    def half(self) -> Deadline:
        """The deadline of a first attempt that leaves time for a second one."""
        return Deadline(self.left_s() / 2)

    def error(self) -> DeadlineExceededError:
        """What a call raises that was cut off."""
        return DeadlineExceededError(self.total_s)


class TaskTimer:
    """Cancels the present asyncio task at the deadline, and tells its own cancelling from others'.

    As `asyncio.timeout` does, which Python 3.10 lacks.
    """

    __slots__ = ("_expired", "_handle", "_task")

    def __init__(self, deadline: Deadline) -> None:
        self._task: Any = asyncio.current_task()
        self._expired = False
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(deadline.left_s(), self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def stop(self) -> None:
        """Let the call go on, or be over."""
        self._handle.cancel()

    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer cancelled the task, and nobody else did; takes the cancelling back."""
        if not self._expired:
            return False
        self._expired = False
        others = self._task.uncancel() if sys.version_info >= (3, 11) else 0
        return others == 0 and isinstance(error, asyncio.CancelledError)
