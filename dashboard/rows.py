"""Rows: from sums as a store gives them, one of a field each, to totals. Pure.

What several spans of time have of one group is added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openfeature_triton.dashboard.histograms import NOTHING, Histogram, histograms
from openfeature_triton.dashboard.store import Totals
from openfeature_triton.hooks import schema

Group = tuple[Sequence[str], int]
"""Phase, variant, served, task type, language; and when the slice of time began, in ns."""

Row = tuple[Sequence[str], int, str, float]
"""The same, a field, and its sum."""


def with_fields(rows: Iterable[Row]) -> tuple[Totals, ...]:
    """Give totals that hold fields, by group, in order."""
    groups: dict[Group, dict[str, float]] = {}
    for tags, start_ns, field, value in rows:
        fields = groups.setdefault((tags, start_ns), {})
        fields[field] = fields.get(field, 0.0) + value
    return tuple(
        _totals(group, {name: fields[name] for name in sorted(fields)}, NOTHING)
        for group, fields in sorted(groups.items())
    )


def with_latencies(rows: Iterable[Row]) -> tuple[Totals, ...]:
    """Give totals that hold a histogram and no fields, by group, in order."""
    held: dict[Group, int] = {}
    groups, bins, counts = [], [], []
    for tags, start_ns, field, count in rows:
        found = schema.parse_bin_field(field)
        if found is not None:
            groups.append(held.setdefault((tags, start_ns), len(held)))
            bins.append(found)
            counts.append(count)
    made = histograms(groups, bins, counts, len(held))
    return tuple(_totals(group, {}, made[held[group]]) for group in sorted(held))


def _totals(group: Group, fields: dict[str, float], latencies: Histogram) -> Totals:
    (phase, variant, served, task_type, language), start_ns = group
    return Totals(phase, variant, served, task_type, language, start_ns, fields, latencies)
