"""Outcomes: from what callers handed over to increments of fields. Pure, and vectorised.

A caller's values are looked at here, off the request's path: what can't be counted is refused and
counted by reason.

Fold no more than `AT_ONCE` at once, or very many: numpy gives the interpreter away while it works
on longer arrays (and always for `bincount`, which is used for those alone), and where other threads
only compute it gets it back as late as 5 ms after, each time. Very many are worth that wait: each
then costs a tenth.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress, islice
from operator import itemgetter
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from openfeature_triton.hooks import clusters, histogram, metrics, schema
from openfeature_triton.hooks.histogram import MAX_LATENCY_MS, MIN_LATENCY_MS, Floats, Ints
from openfeature_triton.hooks.series import OTHER, Series

AT_ONCE = 500

Increments = dict[str, float]
"""Field → how much it grew."""

BAD_LATENCY = "bad_latency"
"""Why an outcome was refused: its latency is no number of ms from 0 to `MAX_LATENCY_MS`."""

_ERROR_CLASSES = frozenset(schema.ERROR_CLASSES)
_SUM_FIELDS = (
    schema.REQUESTS,
    schema.LATENCY_SUM,
    schema.LATENCY_SUMSQ,
    schema.LATENCY_LN_SUM,
    schema.LATENCY_LN_SUMSQ,
)
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
    light, bins = _latency_fields([latencies for latencies, _ in kept])
    by_user: list[Increments] = []
    for increments, (series, _), (latencies, outcomes) in zip(light, batches, kept, strict=True):
        _, errors, carried, users = zip(*outcomes, strict=True) if outcomes else ((),) * 4
        classes = _error_classes(errors)
        gathered = metrics.gather(carried, units.get(series.task_type, {}), refused_metrics)
        increments.update(_errors(classes))
        increments.update(_metric_sums(gathered))
        by_user.append(
            clusters.sums(users, map(bool, classes), latencies.tolist(), gathered)
            if str in set(map(type, users))
            else {}
        )
    return Folded(light, bins, by_user, refused, refused_metrics)


def fold_successes(batches: Sequence[tuple[Series, Sequence[float]]]) -> Folded:
    """Add up successes of which the latencies in ms are all that is told."""
    refused: Counter[str] = Counter()
    kept = [_good(np.asarray(latencies, np.float64), refused) for _, latencies in batches]
    light, bins = _latency_fields(kept)
    return Folded(light, bins, [{} for _ in batches], refused, Counter())


def credited(
    series: Series, carried: Mapping[str, object], units: metrics.Units
) -> tuple[Increments, Counter[str]]:
    """Add up the metrics of one request, and what was refused of them; counts no request."""
    refused: Counter[str] = Counter()
    gathered = metrics.gather([carried], units.get(series.task_type, {}), refused)
    return _metric_sums(gathered), refused


def _with_good_latency(
    outcomes: Sequence[Outcome], refused: Counter[str]
) -> tuple[Floats, Sequence[Outcome]]:
    """Give the outcomes whose latency can be counted, and their latencies in ms."""
    given = list(map(itemgetter(0), outcomes))
    if set(map(type, given)) != {float}:
        given = [_latency(value) for value in given]
    latencies = np.array(given, np.float64)
    good = _is_good(latencies)
    if good.all():
        return latencies, outcomes
    return _good(latencies, refused), list(compress(outcomes, good))


def _good(latencies: Floats, refused: Counter[str]) -> Floats:
    """Give those latencies that can be counted."""
    if not len(latencies) or (latencies.min() >= 0 and latencies.max() <= MAX_LATENCY_MS):
        return latencies  # NaN compares false, and is the least and the greatest of all
    good = _is_good(latencies)
    refused[BAD_LATENCY] += int(len(latencies) - good.sum())
    return latencies[good]


def _is_good(latencies: Floats) -> npt.NDArray[np.bool_]:
    """Say of each whether it can be counted; NaN can't."""
    return (latencies >= 0) & (latencies <= MAX_LATENCY_MS)


def _latency(value: object) -> float:
    """Give a latency as a float; NaN if it is none."""
    checked = metrics.number(value)
    return math.nan if isinstance(checked, str) else checked


def _latency_fields(latencies: Sequence[Floats]) -> tuple[list[Increments], list[Increments]]:
    """Give the sums of each series' latencies, and their histogram."""
    light: list[Increments] = [{} for _ in latencies]
    bins: list[Increments] = [{} for _ in latencies]
    filled = [(number, len(each)) for number, each in enumerate(latencies) if len(each)]
    if filled:
        sizes = [size for _, size in filled]
        moments = _moments(latencies, sum(sizes))
        sums, histograms = _sums(sizes, moments), _histograms(sizes, moments[2])
        for (number, _), its_sums, its_bins in zip(filled, sums, histograms, strict=True):
            light[number], bins[number] = its_sums, its_bins
    return light, bins


def _moments(latencies: Sequence[Floats], size: int) -> Floats:
    """Give four rows over all series: ms, their squares, ln ms, their squares.

    In as few steps as can be: other threads may come in between each two.
    """
    moments = np.empty((4, size))
    np.concatenate(latencies, out=moments[0])
    np.log(np.maximum(moments[0], MIN_LATENCY_MS), out=moments[2])
    np.square(moments[::2], out=moments[1::2])
    return moments


def _sums(sizes: Sequence[int], moments: Floats) -> list[Increments]:
    """Give count, and sums of the moments, for each series."""
    starts = [0, *accumulate(sizes[:-1])]
    sums = np.add.reduceat(moments, starts, axis=1).T.tolist()
    return [
        dict(zip(_SUM_FIELDS, (float(size), *its_sums), strict=True))
        for size, its_sums in zip(sizes, sums, strict=True)
    ]


def _histograms(sizes: Sequence[int], ln_ms: Floats) -> list[Increments]:
    """Give the histogram of each series."""
    bins = histogram.bin_of_ln(ln_ms)
    counted = _counts_of_few if len(ln_ms) <= AT_ONCE else _counts_of_many
    return [
        {_BIN_FIELDS[index]: float(count) for index, count in counts}
        for counts in counted(sizes, bins)
    ]


def _counts_of_few(sizes: Sequence[int], bins: Ints) -> Iterator[Iterable[tuple[int, int]]]:
    """Give the filled bins of each series, with their counts."""
    each = iter(bins.tolist())
    return (Counter(islice(each, size)).items() for size in sizes)


def _counts_of_many(sizes: Sequence[int], bins: Ints) -> Iterator[Iterable[tuple[int, int]]]:
    """Do the same by bins that stand side by side, those of all series in one array."""
    firsts = np.repeat(np.arange(len(sizes)) * histogram.BINS, sizes)
    counts = np.bincount(firsts + bins, minlength=len(sizes) * histogram.BINS)
    for its_counts in counts.reshape(len(sizes), histogram.BINS):
        (filled,) = its_counts.nonzero()
        yield zip(filled.tolist(), its_counts[filled].tolist(), strict=True)


def _error_classes(given: Sequence[object]) -> Sequence[str]:
    """Give the error class of each outcome as text, empty for success."""
    if set(map(type, given)) <= {str}:
        return cast("Sequence[str]", given)
    return [error_class_of(value) for value in given]


def _errors(classes: Sequence[str]) -> Increments:
    """Count errors, in all and by class; a class that has no field of its own is `other`."""
    if set(classes) <= {""}:
        return {}
    counts = Counter(classes)
    del counts[""]
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


def _metric_sums(gathered: Mapping[str, metrics.Gathered]) -> Increments:
    """Give count, sum and sum of squares of each custom metric."""
    increments: Increments = {}
    for name, (_, values) in gathered.items():
        array = np.array(values)
        parts = (float(array.size), float(array.sum()), float((array * array).sum()))
        increments.update(zip(schema.metric_fields(name), parts, strict=True))
    return increments
