"""Summary: from totals to the numbers that a page shows. Pure: no I/O and no clock.

Totals are merged by summing, whatever they are grouped by; each number is made from merged sums
only, so it is the same however many windows, writers and series it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from openfeature_triton.dashboard import histograms, user_sums
from openfeature_triton.dashboard.histograms import Histogram
from openfeature_triton.dashboard.store import Totals
from openfeature_triton.dashboard.user_sums import UserSums
from openfeature_triton.hooks import schema

K = TypeVar("K", bound=Hashable)
Fields = Mapping[str, float]

QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Metric:
    """A custom metric over the `count` outcomes that carried it."""

    count: int
    mean: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one group of totals says; a number that nothing was recorded for is None.

    Latencies are of all requests, failed ones too. `error_rate` is a share of the requests.
    """

    exposures: int
    requests: int
    errors: int
    error_rate: float | None
    errors_by_class: Mapping[str, int]
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, slots=True)
class Share:
    """What a variant got of the whole, against its weight; each share is between 0 and 1.

    `share` is None before the first unit, `weight` (also a share) where no weights are known.
    """

    variant: str
    count: int
    share: float | None
    weight: float | None


def merge(totals: Iterable[Totals]) -> Fields:
    """Give the summed fields of all totals."""
    left = iter(totals)
    merged = dict(first.fields) if (first := next(left, None)) is not None else {}
    for each in left:
        for field, value in each.fields.items():
            merged[field] = merged.get(field, 0.0) + value
    return merged


def latencies(totals: Iterable[Totals]) -> Histogram:
    """Give the histogram of all totals."""
    return histograms.merge(each.latencies for each in totals)


def users(totals: Iterable[Totals]) -> UserSums:
    """Give the sums by buckets of users of all totals."""
    return user_sums.merge([each.users for each in totals])


def group(totals: Iterable[Totals], key: Callable[[Totals], K]) -> dict[K, tuple[Totals, ...]]:
    """Sort totals into groups, in the order in which the keys appear."""
    groups: dict[K, list[Totals]] = {}
    for each in totals:
        groups.setdefault(key(each), []).append(each)
    return {found: tuple(members) for found, members in groups.items()}


def numbers(totals: Sequence[Totals]) -> Numbers:
    """Give what a group of totals says."""
    fields = merge(totals)
    requests = _count(fields, schema.REQUESTS)
    errors = _count(fields, schema.ERRORS)
    p50_ms, p95_ms, p99_ms = latencies(totals).quantiles_ms(QUANTILES) or (None, None, None)
    return Numbers(
        exposures=_count(fields, schema.EXPOSURES),
        requests=requests,
        errors=errors,
        error_rate=errors / requests if requests else None,
        errors_by_class=_errors_by_class(fields),
        mean_ms=fields.get(schema.LATENCY_SUM, 0.0) / requests if requests else None,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        metrics=_metrics(fields),
    )


def split(counts: Mapping[str, int], weights: Mapping[str, int]) -> tuple[Share, ...]:
    """Hold what each variant got against its weight, the weighted variants first.

    Args:
        counts: how many units (exposures) each variant got.
        weights: the weights of the experiment's `fractional`, any scale; {} if not known.
    """
    total, total_weight = sum(counts.values()), sum(weights.values())
    return tuple(
        Share(
            variant=variant,
            count=counts.get(variant, 0),
            share=counts.get(variant, 0) / total if total else None,
            weight=weights.get(variant, 0) / total_weight if total_weight else None,
        )
        for variant in dict.fromkeys((*weights, *counts))
    )


def _count(fields: Fields, field: str) -> int:
    return int(fields.get(field, 0))


def _errors_by_class(fields: Fields) -> dict[str, int]:
    """The classes that happened, the most frequent first."""
    counts = {name: _count(fields, schema.error_field(name)) for name in schema.ERROR_CLASSES}
    return dict(sorted(((n, c) for n, c in counts.items() if c), key=lambda item: -item[1]))


def _metrics(fields: Fields) -> dict[str, Metric]:
    parsed = map(schema.parse_metric_field, fields)
    found = {}
    for name in sorted({each[0] for each in parsed if each is not None}):
        count_field, sum_field, _ = schema.metric_fields(name)
        count = _count(fields, count_field)
        if count:
            found[name] = Metric(count, fields.get(sum_field, 0.0) / count)
    return found
