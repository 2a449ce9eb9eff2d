"""Rows: from sums as a store gives them, in columns, to totals. Pure.

What several spans of time have of one group is added up. Whoever wrote the store, a sum that is no
number, or beyond all that was ever counted, is left out: one would make nonsense of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

from openfeature_triton.dashboard.histograms import MOST, NOTHING, histograms
from openfeature_triton.dashboard.store import CLUSTERS, LATENCIES, TAGS, Query, Totals
from openfeature_triton.dashboard.user_sums import user_sums
from openfeature_triton.hooks import schema

K = TypeVar("K", bound=Hashable)

Group = tuple[Any, ...]
"""The tags of totals, in their order, and when the slice of time began."""


def group(query: Query, tags: Sequence[str], start_ns: int) -> Group:
    """Make a group of the tags that a query keeps apart, in its order."""
    named = {"experiment": query.experiment or "", **dict(zip(query.by, tags, strict=True))}
    return (*(named.get(tag, "") for tag in TAGS), start_ns)


def totals(
    query: Query,
    keys: Sequence[K],
    group_of: Callable[[K], Group],
    fields: Sequence[str],
    values: Sequence[float],
) -> tuple[Totals, ...]:
    """Make totals of columns, in order; several keys may stand for one group."""
    groups: dict[Group, int] = {}
    numbers = {key: groups.setdefault(group_of(key), len(groups)) for key in dict.fromkeys(keys)}
    at = [numbers[key] for key in keys]
    held = _MAKERS.get(query.what, _fields)(at, fields, values, len(groups))
    return tuple(
        Totals(*found, *sums)
        for found, sums in sorted(zip(groups, held, strict=True), key=lambda each: each[0])
    )


def _fields(
    at: Sequence[int], fields: Sequence[str], values: Sequence[float], size: int
) -> Iterator[tuple[dict[str, float]]]:
    sums: list[dict[str, float]] = [{} for _ in range(size)]
    for nth, field, value in zip(at, fields, values, strict=True):
        of = sums[nth]
        of[field] = of.get(field, 0.0) + value
    return (
        ({name: each[name] for name in sorted(each) if -MOST < each[name] < MOST},) for each in sums
    )


def _latencies(
    at: Sequence[int], fields: Sequence[str], values: Sequence[float], size: int
) -> Iterator[tuple[Any, ...]]:
    bins = {field: schema.parse_bin_field(field) for field in dict.fromkeys(fields)}
    found = histograms(at, [bins[field] for field in fields], values, size)
    return (({}, each) for each in found)


def _users(
    at: Sequence[int], fields: Sequence[str], values: Sequence[float], size: int
) -> Iterator[tuple[Any, ...]]:
    return (({}, NOTHING, each) for each in user_sums(at, fields, values, size))


_MAKERS: dict[str, Callable[..., Iterator[tuple[Any, ...]]]]
_MAKERS = {LATENCIES: _latencies, CLUSTERS: _users}
