"""Adding: what was read of several stretches of time, as if it had been read at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import attrgetter
from typing import Any

from openfeature_triton.dashboard import histograms, user_sums
from openfeature_triton.dashboard.store import (
    PHASES,
    SEEN,
    SEEN_TAGS,
    TAGS,
    Query,
    Seen,
    Totals,
)

_GROUP = attrgetter(*TAGS, "start_ns")
_PLACE = attrgetter(*SEEN_TAGS)


def add(query: Query, parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Add up the parts of what a query asks for; phases are not parted."""
    if query.what == PHASES or len(parts) == 1:
        return tuple(each for part in parts for each in part)
    if query.what == SEEN:
        return _added(parts, _PLACE, _both_seen)
    return _added(parts, _GROUP, _both_totals)


def fields(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Add up fields."""
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in sorted({*a, *b})}


def _added(
    parts: Iterable[Iterable[Any]], key: Callable[[Any], Any], both: Callable[[Any, Any], Any]
) -> tuple[Any, ...]:
    groups: dict[Any, list[Any]] = {}
    for part in parts:
        for each in part:
            groups.setdefault(key(each), []).append(each)
    return tuple(reduce(both, groups[found]) for found in sorted(groups))


def _both_totals(a: Totals, b: Totals) -> Totals:
    return replace(
        a,
        fields=fields(a.fields, b.fields),
        latencies=histograms.merge((a.latencies, b.latencies)),
        users=user_sums.merge((a.users, b.users)),
    )


def _both_seen(a: Seen, b: Seen) -> Seen:
    return replace(a, first_ns=min(a.first_ns, b.first_ns), last_ns=max(a.last_ns, b.last_ns))
