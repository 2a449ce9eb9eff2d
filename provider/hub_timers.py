"""HubTimers: cut off whatever waits too long in a thread's gevent loop, as tritonclient over HTTP.

A native timer for each call costs more than all else that bounds it. Calls are much shorter than
their deadlines; so each hub has one timer, which rings no later than the soonest deadline of those
that it was ever set for, looks who is still there, and is set for the next.
"""

from __future__ import annotations

import math
import time
from typing import Any

from gevent import Timeout, get_hub, getcurrent  # type: ignore[import-untyped]

from openfeature_triton.provider.deadline import Deadline


class HubTimers:
    """The deadlines of the calls that run in the present thread's hub."""

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._running: set[HubTimer] = set()
        self._native: Any = None
        self._rings_at_s = math.inf

    def start(self, deadline: Deadline) -> HubTimer:
        """Cut the present greenlet off at a deadline, unless the timer is stopped before."""
        timer = HubTimer(deadline, self._running)
        self._running.add(timer)
        if deadline.at_s < self._rings_at_s:
            self._set(deadline.at_s)
        return timer

    def close(self) -> None:
        """Free the native timer; who still runs is not cut off any more."""
        if self._native is not None:
            self._native.close()
        self._native, self._rings_at_s = None, math.inf

    def _set(self, at_s: float) -> None:
        self.close()
        self._rings_at_s = at_s
        # Without a reference: a timer that nobody needs any more keeps no loop running.
        self._native = self._loop.timer(max(at_s - time.monotonic(), 0.0), ref=False)
        self._native.start(self._ring, update=True)

    def _ring(self) -> None:
        """In the hub: cut off whose time is up, and wait for the others."""
        self.close()
        now_s, running = time.monotonic(), tuple(self._running)
        for timer in running:
            if timer.at_s <= now_s:
                self._loop.run_callback(timer.expire)
        later = [timer.at_s for timer in running if timer.at_s > now_s]
        if later:
            self._set(min(later))


class HubTimer:
    """One call's deadline in its greenlet."""

    __slots__ = ("_error", "_greenlet", "_running", "at_s")

    def __init__(self, deadline: Deadline, running: set[HubTimer]) -> None:
        self.at_s = deadline.at_s
        self._greenlet = getcurrent()
        self._running = running
        self._error: BaseException | None = None

    def stop(self) -> None:
        """Let the call go on, or be over."""
        self._running.discard(self)

    def expire(self) -> None:
        """In the hub: raise in the greenlet what ends its waiting, if it still runs."""
        if self in self._running:
            self.stop()
            self._error = Timeout()
            self._greenlet.throw(self._error)

    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer's end is what an exception tells of."""
        return error is not None and error is self._error
