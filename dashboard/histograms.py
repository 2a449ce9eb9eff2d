"""Histograms: how many requests took how long, as arrays that add up. Pure.

A bin is one of `hooks.histogram`; merging is adding, whatever was counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.histogram import Floats, Ints, edges_ms, quantile_ms

MOST = 1e150
"""No count or sum is as much; the square of one that is less is still a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How many latencies each bin holds: bin `first + i` holds `counts[i]`, all others none."""

    first: int = 0
    counts: Floats = field(default_factory=lambda: np.zeros(0))

    def __bool__(self) -> bool:
        """Say whether anything was counted."""
        return len(self.counts) > 0

    def __eq__(self, other: object) -> bool:
        """Compare by what was counted."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.first == other.first and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        """Fit with `==`."""
        return hash((self.first, self.counts.tobytes()))

    @property
    def bins(self) -> Ints:
        """The bins, the shortest first."""
        return np.arange(self.first, self.first + len(self.counts))

    def fields(self) -> dict[str, float]:
        """Give the bins that hold something by the names that they are stored under."""
        held = np.flatnonzero(self.counts)
        names = map(schema.bin_field, (held + self.first).tolist())
        return dict(zip(names, self.counts[held].tolist(), strict=True))

    def quantiles_ms(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Give latencies in ms, within `histogram.RELATIVE_ERROR`; () if nothing was counted."""
        return tuple(quantile_ms(self.bins, self.counts, shares).tolist()) if self else ()

    def curve(self) -> tuple[list[float], list[float]]:
        """Give latencies in ms, rising, and the share that took no longer than each."""
        held = np.flatnonzero(self.counts)
        if not len(held):
            return [], []
        lower, upper = edges_ms(held + self.first)
        shares = np.cumsum(self.counts[held]) / self.counts.sum()
        return [float(lower[0]), *upper.tolist()], [0.0, *shares.tolist()]


NOTHING = Histogram()


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms up."""
    given = [each for each in histograms if each]
    if len(given) < 2:
        return given[0] if given else NOTHING
    first = min(each.first for each in given)
    counts = np.zeros(max(each.first + len(each.counts) for each in given) - first)
    for each in given:
        counts[each.first - first : each.first - first + len(each.counts)] += each.counts
    return Histogram(first, counts)


def histograms(
    groups: Sequence[int], bins: Sequence[int | None], counts: Sequence[float], size: int
) -> list[Histogram]:
    """Make the histograms of `size` groups from rows: a group's number, a bin, and its count.

    A row without a bin, or with a count that is none, is left out.
    """
    at, held = np.asarray(groups, np.int64), np.asarray(bins, np.float64)  # None becomes nan
    values = np.asarray(counts, np.float64)
    used = np.isfinite(held) & (values > 0) & (values < MOST)
    if not used.any():
        return [NOTHING] * size
    first = int(held[used].min())
    width = int(held[used].max()) - first + 1
    places = at[used] * width + held[used].astype(np.int64) - first
    table = np.bincount(places, values[used], size * width)
    rows: Iterable[Floats] = table.astype(np.float64).reshape(size, width)
    return [_trimmed(first, row) for row in rows]


def _trimmed(first: int, counts: Floats) -> Histogram:
    held = np.flatnonzero(counts)
    if not len(held):
        return NOTHING
    return Histogram(first + int(held[0]), counts[held[0] : held[-1] + 1].copy())
