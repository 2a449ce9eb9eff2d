"""Outcomes: from what callers handed over to increments of fields. Pure, and vectorised.

A caller's values are looked at here, off the request's path: what can't be counted is refused and
counted by reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from openfeature_triton.hooks import clusters, histogram, metrics, schema
from openfeature_triton.hooks.histogram import MAX_LATENCY_MS, MIN_LATENCY_MS, Floats, Ints
from openfeature_triton.hooks.series import OTHER, Series

Increments = dict[str, float]
"""Field → how much it grew."""

BAD_LATENCY = "bad_latency"
"""Why an outcome was refused: its latency is no number of ms from 0 to `MAX_LATENCY_MS`."""

_ERROR_CLASSES = frozenset(schema.ERROR_CLASSES)
_BIN_FIELDS = tuple(map(schema.bin_field, range(histogram.BINS)))


Outcome = tuple[object, object, Mapping[str, object] | None, object]
"""What one inference did, unchecked: latency_ms, error_class, custom metrics, targeting key.

The key is None unless the experiment's unit is the user.
"""


class Folded(NamedTuple):
    """What a batch adds up to: increments for each series, and what was refused of it."""

    light: list[Increments]
    latency: list[Increments]
    clusters: list[Increments]
    refused: Counter[str]
    refused_metrics: Counter[str]


def fold(batches: Sequence[tuple[Series, Sequence[Outcome]]], units: metrics.Units) -> Folded:
    """Add up the outcomes of each series.

    Args:
        batches: each series with its outcomes, in the order they came.
        units: the custom metrics that each task type may carry.
    """
    refused: Counter[str] = Counter()
    refused_metrics: Counter[str] = Counter()
    kept = [_with_good_latency(outcomes, refused) for _, outcomes in batches]
    rows = np.repeat(np.arange(len(batches)), [len(latencies) for latencies, _ in kept])
    latency_ms = np.concatenate([np.empty(0), *(latencies for latencies, _ in kept)])
    ln_latency_ms = np.log(np.maximum(latency_ms, MIN_LATENCY_MS))
    light = _latency_sums(rows, latency_ms, ln_latency_ms, len(batches))
    for increments, (series, _), (_, outcomes) in zip(light, batches, kept, strict=True):
        increments.update(_errors([outcome[1] for outcome in outcomes]))
        carried = [outcome[2] for outcome in outcomes if outcome[2] is not None]
        if carried:
            declared = units.get(series.task_type, {})
            increments.update(_metric_sums(carried, declared, refused_metrics))
    bins = _bins(rows, ln_latency_ms, len(batches))
    by_user = [
        _by_user(latencies, outcomes, units.get(series.task_type, {}))
        for (series, _), (latencies, outcomes) in zip(batches, kept, strict=True)
    ]
    return Folded(light, bins, by_user, refused, refused_metrics)


def credited(
    series: Series, carried: Mapping[str, object], units: metrics.Units
) -> tuple[Increments, Counter[str]]:
    """Add up the metrics of one request, and what was refused of them; counts no request."""
    refused: Counter[str] = Counter()
    return _metric_sums([carried], units.get(series.task_type, {}), refused), refused


def _with_good_latency(
    outcomes: Sequence[Outcome], refused: Counter[str]
) -> tuple[Floats, Sequence[Outcome]]:
    """Give the outcomes whose latency can be counted, and their latencies in ms."""
    given = list(map(itemgetter(0), outcomes))
    if set(map(type, given)) != {float}:
        given = [_latency(value) for value in given]
    latencies = np.array(given, np.float64)
    good = (latencies >= 0) & (latencies <= MAX_LATENCY_MS)  # False for NaN
    if good.all():
        return latencies, outcomes
    refused[BAD_LATENCY] += int(len(outcomes) - good.sum())
    return latencies[good], [outcome for outcome, fine in zip(outcomes, good, strict=True) if fine]


def _latency(value: object) -> float:
    """Give a latency as a float; NaN if it is none."""
    checked = metrics.number(value)
    return math.nan if isinstance(checked, str) else checked


def _latency_sums(rows: Ints, ms: Floats, ln_ms: Floats, series: int) -> list[Increments]:
    """Give count, sum and sum of squares of ms and ln ms for each series."""
    columns = {
        schema.REQUESTS: np.bincount(rows, minlength=series),
        schema.LATENCY_SUM: np.bincount(rows, ms, series),
        schema.LATENCY_SUMSQ: np.bincount(rows, ms * ms, series),
        schema.LATENCY_LN_SUM: np.bincount(rows, ln_ms, series),
        schema.LATENCY_LN_SUMSQ: np.bincount(rows, ln_ms * ln_ms, series),
    }
    table = np.array(list(columns.values()), np.float64).T.tolist()
    return [dict(zip(columns, line, strict=True)) if line[0] else {} for line in table]


def _bins(rows: Ints, ln_ms: Floats, series: int) -> list[Increments]:
    """Give the histogram of each series."""
    cells, counts = np.unique(
        rows * histogram.BINS + histogram.bin_of_ln(ln_ms), return_counts=True
    )
    result: list[Increments] = [{} for _ in range(series)]
    for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
        row, index = divmod(cell, histogram.BINS)
        result[row][_BIN_FIELDS[index]] = float(count)
    return result


def _by_user(
    latencies: Floats, outcomes: Sequence[Outcome], declared: Mapping[str, str]
) -> Increments:
    """Give the sums by bucket of users, of those outcomes that name their user."""
    if str not in set(map(type, map(itemgetter(3), outcomes))):
        return {}
    return clusters.sums(
        (
            outcome[3],
            bool(error_class_of(outcome[1])),
            latency_ms,
            metrics.accepted(outcome[2], declared),
        )
        for outcome, latency_ms in zip(outcomes, latencies.tolist(), strict=True)
        if isinstance(outcome[3], str)
    )


def _errors(given: Sequence[object]) -> Increments:
    """Count errors, in all and by class; a class that has no field of its own is `other`."""
    if set(map(type, given)) != {str}:
        given = [error_class_of(value) for value in given]
    counts = Counter(given)
    del counts[""]
    if not counts:
        return {}
    increments: Increments = {schema.ERRORS: float(counts.total())}
    for error_class, count in counts.items():
        field = schema.error_field(error_class if error_class in _ERROR_CLASSES else OTHER)
        increments[field] = increments.get(field, 0.0) + count
    return increments


def error_class_of(value: object) -> str:
    """Give the error class as text; None is success, as empty text is."""
    if isinstance(value, str):
        return str(value)
    return "" if value is None else OTHER


def _metric_sums(
    carried: Iterable[Mapping[str, object]], declared: Mapping[str, str], refused: Counter[str]
) -> Increments:
    """Give count, sum and sum of squares of each custom metric."""
    increments: Increments = {}
    for name, values in metrics.gather(carried, declared, refused).items():
        array = np.array(values)
        parts = (float(array.size), float(array.sum()), float((array * array).sum()))
        increments.update(zip(schema.metric_fields(name), parts, strict=True))
    return increments
