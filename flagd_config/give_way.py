"""Long work in a background thread, cut into slices that a request does not notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, sleep

SLICE_S = 0.002
PAUSE_S = 0.0001

_thread = threading.local()


class AbandonedError(Exception):
    """The work was given up in the middle: nobody wants it any more."""


@contextmanager
def abandoned_when(gone: threading.Event) -> Iterator[None]:
    """Let this thread's long work end with AbandonedError once the event is set."""
    _thread.gone = gone
    try:
        yield
    finally:
        _thread.gone = None


class GiveWay:
    """Called between small steps, lets the other threads run at first, then after every 2 ms.

    The interpreter by itself takes the lock from a busy thread only after 5 ms, and each request
    that is waiting would be late by as much.
    """

    def __init__(self) -> None:
        self._due = 0.0  # what came before has taken its time, too
        self._gone: threading.Event | None = getattr(_thread, "gone", None)

    def __call__(self) -> None:
        """Sleep for a moment if the present slice is used up; AbandonedError if all is in vain."""
        if perf_counter() < self._due:
            return
        sleep(PAUSE_S)  # not 0: the lock would be taken again before another thread is awake
        if self._gone is not None and self._gone.is_set():
            raise AbandonedError
        self._due = perf_counter() + SLICE_S
