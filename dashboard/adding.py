"""Adding: what was read of several stretches of time, as if it had been read at once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

from openfeature_triton.dashboard.histograms import merge
from openfeature_triton.dashboard.store import Evaluations, Seen, Totals, Traffic, place

T = TypeVar("T")


def totals(parts: Iterable[Iterable[Totals]]) -> tuple[Totals, ...]:
    """Add up totals of the same group and slice of time."""
    return _added(
        parts,
        lambda t: (t.phase, t.variant, t.served, t.task_type, t.language, t.start_ns),
        _both_totals,
    )


def seen(parts: Iterable[Iterable[Seen]]) -> tuple[Seen, ...]:
    """Add up when a variant had traffic in a phase."""
    return _added(parts, place, _both_seen)


def traffic(parts: Iterable[Iterable[Traffic]]) -> tuple[Traffic, ...]:
    """Add up the traffic of a variant in a phase."""
    return _added(parts, place, _both_traffics)


def evaluations(parts: Iterable[Iterable[Evaluations]]) -> tuple[Evaluations, ...]:
    """Add up evaluations with the same result."""
    return _added(
        parts, lambda e: (e.experiment, e.variant, e.reason, e.error_code), _both_evaluations
    )


def fields(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Add up fields."""
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in sorted({*a, *b})}


def _added(
    parts: Iterable[Iterable[T]], key: Callable[[T], tuple[Any, ...]], both: Callable[[T, T], T]
) -> tuple[T, ...]:
    groups: dict[tuple[Any, ...], list[T]] = {}
    for part in parts:
        for each in part:
            groups.setdefault(key(each), []).append(each)
    return tuple(reduce(both, groups[found]) for found in sorted(groups))


def _both_totals(a: Totals, b: Totals) -> Totals:
    return replace(
        a, fields=fields(a.fields, b.fields), latencies=merge((a.latencies, b.latencies))
    )


def _both_seen(a: Seen, b: Seen) -> Seen:
    return replace(a, first_ns=min(a.first_ns, b.first_ns), last_ns=max(a.last_ns, b.last_ns))


def _both_traffics(a: Traffic, b: Traffic) -> Traffic:
    return replace(
        a,
        exposures=a.exposures + b.exposures,
        requests=a.requests + b.requests,
        errors=a.errors + b.errors,
        first_ns=min(a.first_ns, b.first_ns),
        last_ns=max(a.last_ns, b.last_ns),
    )


def _both_evaluations(a: Evaluations, b: Evaluations) -> Evaluations:
    return replace(
        a,
        count=a.count + b.count,
        errors=a.errors + b.errors,
        duration_us_sum=a.duration_us_sum + b.duration_us_sum,
    )
