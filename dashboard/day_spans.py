"""Day spans: which stretch of time is read from merged days, and which from windows. Pure.

No moment lies in two spans, and none in no span: so nothing is missed or counted twice at a seam.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from openfeature_triton.hooks.late import NS_PER_DAY

FIRST_NS = 0
LAST_NS = 2**63 // NS_PER_DAY * NS_PER_DAY
"""The end of time: the last midnight that ns since 1970 reach in 64 bits, in the year 2262."""


class Span(NamedTuple):
    """A stretch of time, its end not in it; `is_merged` for whole days that are merged."""

    is_merged: bool
    start_ns: int
    end_ns: int

    @property
    def days(self) -> tuple[int, int]:
        """The first day since 1970 and the one after the last."""
        return self.start_ns // NS_PER_DAY, self.end_ns // NS_PER_DAY


def day_spans(
    merged: Collection[int], start_ns: int | None = None, end_ns: int | None = None
) -> list[Span]:
    """Part a stretch of time by the days that are merged, in order.

    Args:
        merged: days since 1970.
        start_ns: where it begins; a day of which only a part is wanted is read from its windows.
        end_ns: where it ends.
    """
    start = FIRST_NS if start_ns is None else max(start_ns, FIRST_NS)
    end = LAST_NS if end_ns is None else min(end_ns, LAST_NS)
    spans: list[Span] = []
    at = start
    for first, after in _runs(merged, -(-start // NS_PER_DAY), end // NS_PER_DAY):
        if first * NS_PER_DAY > at:
            spans.append(Span(False, at, first * NS_PER_DAY))
        spans.append(Span(True, first * NS_PER_DAY, after * NS_PER_DAY))
        at = after * NS_PER_DAY
    if at < end:
        spans.append(Span(False, at, end))
    return spans


def _runs(days: Collection[int], first: int, after: int) -> list[tuple[int, int]]:
    """Give runs of days that follow each other: the first, and the one after the last."""
    runs: list[tuple[int, int]] = []
    for day in sorted(day for day in set(days) if first <= day < after):
        if runs and runs[-1][1] == day:
            runs[-1] = runs[-1][0], day + 1
        else:
            runs.append((day, day + 1))
    return runs
