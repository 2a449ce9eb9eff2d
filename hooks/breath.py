"""Breath: long work with pauses, in which other threads get the interpreter.

A thread that only computes is made to let go after 5 ms (`sys.getswitchinterval`), and a request
that waits would notice that. So whoever works for long asks here now and then, and lets others run
after each half a millisecond: two such threads then keep a request no longer than one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_WORK_S = 5e-4
_BREATH_S = 5e-5

_last = threading.local()


def with_breaths(items: Iterable[T]) -> Iterator[T]:
    """Give the items, with a breath between two where one is due."""
    for item in items:
        yield item
        breathe_if_due()


def breathe_if_due() -> None:
    """Let other threads run, if this one has worked for half a millisecond since it last did."""
    if time.perf_counter() - getattr(_last, "breath_s", 0.0) >= _WORK_S:
        breathe()
        _last.breath_s = time.perf_counter()


def breathe() -> None:
    """Let other threads run."""
    time.sleep(_BREATH_S)
