"""Rollups: running totals of each series in each window. Pure: no I/O, no clock.

A window's points are written again and again at their running totals. So a point's time names its
writer too: the window's start plus an offset, smaller than any window, that the writer drew for
itself. Two writers never overwrite each other, and a repeated write changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.sink import Point, Tags

Key = tuple[str, int, Tags]
"""Measurement, time, tags: what makes a point the same point."""


@dataclass(slots=True)
class Totals:
    """The running totals of one series in one window."""

    fields: dict[str, float] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    delivered_requests: float = 0.0

    def add(self, increments: Mapping[str, float]) -> None:
        """Let the fields grow; remember which ones have to be written."""
        for name, increment in increments.items():
            self.fields[name] = self.fields.get(name, 0.0) + increment
        self.changed.update(increments)

    @property
    def undelivered_requests(self) -> int:
        """How many outcomes the store has not heard of."""
        return int(self.fields.get(schema.REQUESTS, 0.0) - self.delivered_requests)

    def settle(self) -> int:
        """Take note that the store holds the totals; gives how many outcomes are new to it."""
        outcomes = self.undelivered_requests
        self.changed.clear()
        self.delivered_requests = self.fields.get(schema.REQUESTS, 0.0)
        return outcomes


class Rollups:
    """The totals of the present windows, and those of past ones that are not delivered yet.

    Args:
        windows_ns: width of the windows of each measurement.
        draw_offset: gives a number from 0 to its argument − 1: the writer's offset.
    """

    def __init__(self, windows_ns: Mapping[str, int], draw_offset: Callable[[int], int]) -> None:
        self._windows_ns = dict(windows_ns)
        self._draw_offset = draw_offset
        self._take_new_offset()
        self._starts_ns = dict.fromkeys(self._windows_ns, 0)
        self._totals: dict[Key, Totals] = {}

    def __len__(self) -> int:
        """How many points are held."""
        return len(self._totals)

    def turn_to(self, now_ns: int) -> None:
        """Let what is added from now on belong to the windows of this time.

        If the clock went back, those windows may be delivered and forgotten: a fresh offset keeps
        their points from being overwritten with totals that start at nought again.
        """
        starts_ns = {name: now_ns - now_ns % width for name, width in self._windows_ns.items()}
        if any(starts_ns[name] < self._starts_ns[name] for name in starts_ns):
            self._take_new_offset()
        if starts_ns != self._starts_ns:
            self._starts_ns = starts_ns
            self._forget_settled()

    def leave(self, time_ns: int) -> None:
        """Let present windows begin anew if there are points of them at or before this time.

        Those were dropped on their way, and counted as such: their totals must not come again.
        """
        if any(start_ns + self._offset_ns <= time_ns for start_ns in self._starts_ns.values()):
            self._take_new_offset()
            self._forget_settled()

    def add(self, measurement: str, tags: Tags, increments: Mapping[str, float]) -> None:
        """Add increments to the fields of a series in its present window."""
        if not increments:
            return
        key = (measurement, self._starts_ns[measurement] + self._offset_ns, tags)
        totals = self._totals.get(key)
        if totals is None:
            totals = self._totals[key] = Totals()
        totals.add(increments)

    def changed(self) -> Iterator[Point]:
        """Give what has to be written, at its running totals, oldest window first."""
        for (measurement, time_ns, tags), totals in self._totals.items():
            if totals.changed:
                fields = {name: totals.fields[name] for name in sorted(totals.changed)}
                yield Point(measurement, tags, time_ns, fields, totals.undelivered_requests)

    @property
    def unsettled(self) -> int:
        """How many points have to be written."""
        return sum(1 for totals in self._totals.values() if totals.changed)

    def settle(self) -> int:
        """Take note that all that was changed is delivered; gives how many outcomes that was."""
        outcomes = sum(totals.settle() for totals in self._totals.values())
        self._forget_settled()
        return outcomes

    def shed(self, keep: int) -> tuple[int, int]:
        """Drop the oldest past windows beyond `keep` points; gives the points and outcomes lost."""
        excess = len(self._totals) - keep
        past = [key for key in self._totals if not self._is_present(key)][: max(excess, 0)]
        lost = sum(self._totals.pop(key).undelivered_requests for key in past)
        return len(past), lost

    def shed_all(self) -> tuple[int, int]:
        """Drop all; gives the points with undelivered fields, and the outcomes lost with them."""
        lost = [totals.undelivered_requests for totals in self._totals.values() if totals.changed]
        self._totals.clear()
        return len(lost), sum(lost)

    def _take_new_offset(self) -> None:
        self._offset_ns = self._draw_offset(min(self._windows_ns.values()))

    def _forget_settled(self) -> None:
        done = [
            key
            for key, totals in self._totals.items()
            if not totals.changed and not self._is_present(key)
        ]
        for key in done:
            del self._totals[key]

    def _is_present(self, key: Key) -> bool:
        measurement, time_ns, _ = key
        return time_ns == self._starts_ns[measurement] + self._offset_ns
