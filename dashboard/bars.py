"""Bars: intervals of relative effects, drawn small, all of one table on one scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openfeature_triton.dashboard.statistics import Effect

MIN_SCALE, MAX_SCALE = 0.02, 0.6
"""Between which shares of control the ends of all bars of a table lie."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Where an interval lies on a scale of 0 to 100, no difference at 50; cut ends are marked."""

    low: float
    value: float
    high: float
    cut_low: bool
    cut_high: bool

    @property
    def is_inside(self) -> bool:
        """Whether the value itself is on the scale."""
        return 0 < self.value < 100


def scale_of(effects: Iterable[Effect]) -> float:
    """Give the share of control at the ends of the bars.

    The second widest interval fits, so one that is not yet known does not flatten the others.
    """
    ends = sorted(
        max(abs(each.relative_low), abs(each.relative_high))
        for each in effects
        if each.relative_low is not None and each.relative_high is not None
    )
    widest = ends[-2] if len(ends) > 2 else ends[-1] if ends else MIN_SCALE
    return min(max(widest * 1.1, MIN_SCALE), MAX_SCALE)


def bar_of(effect: Effect, scale: float) -> Bar | None:
    """Give an effect's bar; None while it has no interval."""
    value, low, high = effect.relative, effect.relative_low, effect.relative_high
    if value is None or low is None or high is None:
        return None

    def place(share: float) -> float:
        return round(50 + 50 * min(max(share / scale, -1.0), 1.0), 2)

    return Bar(place(low), place(value), place(high), low < -scale, high > scale)
