"""Breath: long work in slices, between which other threads get the interpreter.

A thread that only computes is made to let go after 5 ms (`sys.getswitchinterval`), and a request
that waits would notice that. So each slice takes about a millisecond at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SLICE = 64
"""Points or series handled between two breaths."""

_BREATH_S = 5e-5


def with_breaths(items: Iterable[T]) -> Iterator[T]:
    """Give the items, letting other threads run after every `SLICE` of them."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % SLICE == 0:
            breathe()


def breathe() -> None:
    """Let other threads run."""
    time.sleep(_BREATH_S)
