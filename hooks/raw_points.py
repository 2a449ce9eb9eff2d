"""Raw points: single outcomes to look into, as many as the cap allows; no verdict reads them."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.metrics import number
from openfeature_triton.hooks.outcomes import Outcome, error_class_of
from openfeature_triton.hooks.series import Series
from openfeature_triton.hooks.sink import Point

_SPREAD_NS = 10**9


class RawPoints:
    """Makes points out of outcomes, at strictly increasing times.

    Args:
        per_s: how many at most in a second.
        monotonic_s: the clock that the cap goes by.
    """

    def __init__(self, per_s: float, monotonic_s: Callable[[], float]) -> None:
        self.left_out = 0
        self._per_s = per_s
        self._monotonic_s = monotonic_s
        self._room = float(math.ceil(per_s))
        self._looked_s = monotonic_s()
        self._last_ns = 0
        # So that processes that see the same time do not write over each other.
        self._offset_ns = secrets.randbelow(_SPREAD_NS)

    def make(
        self,
        series: Series,
        outcomes: Sequence[Outcome] | Sequence[float],
        declared: Mapping[str, str],
        now_ns: int,
    ) -> list[Point]:
        """Give points of as many outcomes as there is room for; the rest is counted.

        A float is the latency of a success of which nothing else is told.
        """
        now_s = self._monotonic_s()
        gained = (now_s - self._looked_s) * self._per_s
        self._room = min(self._room + gained, float(math.ceil(self._per_s)))
        self._looked_s = now_s
        few = outcomes[: int(self._room)]
        self._room -= len(few)
        self.left_out += len(outcomes) - len(few)
        tags = tuple(zip(series._fields, series, strict=True))
        return [
            Point(schema.RAW, tags, self._next_ns(now_ns), fields)
            for outcome in few
            if (fields := _fields(outcome, declared))
        ]

    def _next_ns(self, now_ns: int) -> int:
        self._last_ns = max(now_ns + self._offset_ns % _SPREAD_NS, self._last_ns + 1)
        return self._last_ns


def _fields(outcome: Outcome | float, declared: Mapping[str, str]) -> dict[str, float | int | str]:
    """Give an outcome's fields; none if its latency is no number."""
    if isinstance(outcome, float):
        outcome = (outcome, "", None, None)
    latency_ms, given_class, metrics, _ = outcome
    checked_ms = number(latency_ms)
    if isinstance(checked_ms, str):
        return {}
    error_class = error_class_of(given_class)
    fields: dict[str, float | int | str] = {
        schema.LATENCY_MS: checked_ms,
        schema.SUCCESS: 0.0 if error_class else 1.0,
    }
    if error_class:
        fields[schema.ERROR_CLASS] = error_class
    for name, value in (metrics or {}).items():
        checked = number(value)
        if name in declared and not isinstance(checked, str):
            fields[f"m_{name}"] = checked
    return fields
