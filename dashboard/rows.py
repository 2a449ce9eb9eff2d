"""Rows: from sums as a store gives them, in columns, to totals. Pure.

What several spans of time have of one group is added up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from openfeature_triton.dashboard.histograms import NOTHING, Histogram, histograms
from openfeature_triton.dashboard.store import Totals
from openfeature_triton.hooks import schema

K = TypeVar("K", bound=Hashable)

Group = tuple[Sequence[str], int]
"""Phase, variant, served, task type, language; and when the slice of time began, in ns."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Sums in columns: `at` says of each which of `groups` it is of, then its field and value."""

    groups: Sequence[Group]
    at: Sequence[int]
    fields: Sequence[str]
    values: Sequence[float]


def rows(
    keys: Sequence[K],
    group_of: Callable[[K], Group],
    fields: Sequence[str],
    values: Sequence[float],
) -> Rows:
    """Make rows of columns; `group_of` says which group a key stands for, several may for one."""
    groups: dict[Group, int] = {}
    numbers = {key: groups.setdefault(group_of(key), len(groups)) for key in dict.fromkeys(keys)}
    return Rows(tuple(groups), [numbers[key] for key in keys], fields, values)


def with_fields(rows: Rows) -> tuple[Totals, ...]:
    """Give totals that hold fields, by group, in order."""
    sums: list[dict[str, float]] = [{} for _ in rows.groups]
    for nth, field, value in zip(rows.at, rows.fields, rows.values, strict=True):
        fields = sums[nth]
        fields[field] = fields.get(field, 0.0) + value
    return tuple(
        _totals(group, {name: fields[name] for name in sorted(fields)}, NOTHING)
        for group, fields in sorted(zip(rows.groups, sums, strict=True), key=lambda each: each[0])
    )


def with_latencies(rows: Rows) -> tuple[Totals, ...]:
    """Give totals that hold a histogram and no fields, by group, in order."""
    bins = {field: schema.parse_bin_field(field) for field in dict.fromkeys(rows.fields)}
    held = [bins[field] for field in rows.fields]
    made = histograms(rows.at, held, rows.values, len(rows.groups))
    return tuple(
        _totals(group, {}, histogram)
        for group, histogram in sorted(
            zip(rows.groups, made, strict=True), key=lambda each: each[0]
        )
    )


def _totals(group: Group, fields: dict[str, float], latencies: Histogram) -> Totals:
    (phase, variant, served, task_type, language), start_ns = group
    return Totals(phase, variant, served, task_type, language, start_ns, fields, latencies)
