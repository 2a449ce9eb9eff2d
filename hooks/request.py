"""Request: a wish that one thread hands to another."""

from __future__ import annotations

import threading
import time


class Request:
    """A wish to have everything written: `done` is set when that was tried, or did not help.

    Args:
        timeout_s: how long it is tried again if the sink fails.
        stop: whether the thread ends afterwards.
        is_wished: whether somebody waits for it; False for what is done by the clock.
    """

    __slots__ = ("deadline_s", "delivered", "done", "is_wished", "stop")

    def __init__(
        self, timeout_s: float = 0.0, *, stop: bool = False, is_wished: bool = True
    ) -> None:
        self.deadline_s = time.monotonic() + timeout_s
        self.stop = stop
        self.is_wished = is_wished
        self.done = threading.Event()
        self.delivered = False
