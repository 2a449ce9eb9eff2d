"""Late windows: marks that say that a day which may be merged already has to be merged again.

Whoever delivers windows of a day that ended a while ago sends a mark with them, in the same
request: a point of a measurement of its own, at some ns of that day. A merged day remembers how
many marks it had seen, so it holds as long as there are no more. Nothing else tells late windows:
InfluxDB does not keep when a point was written.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.breath import with_breaths
from openfeature_triton.hooks.line_protocol import line
from openfeature_triton.hooks.sink import Point

NS_PER_HOUR = 3600 * 10**9
NS_PER_DAY = 24 * NS_PER_HOUR

GRACE_NS = 1800 * 10**9
"""How long after a day's end its windows are in time. Days are merged an hour after their end."""


def late_marks(
    times_ns: Iterable[int], now_ns: int, random_below: Callable[[int], int]
) -> list[Point]:
    """Give a mark for each day of which windows come late.

    Args:
        times_ns: the times of the points that are about to be sent.
        now_ns: the wall clock.
        random_below: gives a random number from 0 to below its argument (`secrets.randbelow`), so
            that no two marks are the same point.
    """
    days = sorted({time_ns // NS_PER_DAY for time_ns in times_ns})
    return [
        Point(schema.LATE, (), day * NS_PER_DAY + random_below(NS_PER_DAY), {schema.MARK: 1})
        for day in days
        if now_ns >= (day + 1) * NS_PER_DAY + GRACE_NS
    ]


def mark_lines(lines: Sequence[str], now_ns: int) -> list[str]:
    """Give the marks that belong to lines of windows, as lines to be sent with them."""
    times_ns = (int(each.rsplit(" ", 1)[1]) for each in with_breaths(lines))
    return [line(mark) for mark in late_marks(times_ns, now_ns, secrets.randbelow)]
