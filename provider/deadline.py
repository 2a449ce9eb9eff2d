"""Deadline: when a call must be over, whatever a server does meanwhile.

tritonclient's own timeouts are per socket operation: a server that drips bytes keeps within them
for ever. So the end of a call is enforced from outside: over HTTP by a timer in the thread's gevent
loop (`hub_timers`), over gRPC by the request's own deadline, in asyncio by cancelling the task
(`task_timers`).
"""

from __future__ import annotations

import time

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
