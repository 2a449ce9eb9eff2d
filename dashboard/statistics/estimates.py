"""Estimates: metrics' effects and their standard errors at each slice, phases combined.

Where the unit is the request, from counts, sums and sums of squares; where it is the user, from
sums by buckets of users, and never surer than requests alone would be. Requests' estimates are made
of all metrics at once, along a first axis: an array operation on ten costs little more than on one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics import clusters
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.clusters import ENOUGH_BUCKETS, Clustered
from openfeature_triton.dashboard.statistics.moments import Moments, combine, difference, log_ratio
from openfeature_triton.dashboard.statistics.rollups import LATENCY, RATES, SUCCESS_RATE, Cumulative
from openfeature_triton.dashboard.statistics.verdict import ENOUGH_EVENTS

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimates:
    """One metric of a variant against control at each slice; (nan, inf) where nothing can be said.

    `effect` and `se` are in the metric's unit, for latency of the ln; `ratio` and `ratio_se` are of
    ln(treatment / control). `events` is how often the rarer outcome is expected in the smaller arm;
    of a metric that is no rate, how many values that arm has. `buckets` is how many equally busy
    buckets the users of the smaller arm are worth, infinite where requests are compared.
    """

    effect: Floats
    se: Floats
    ratio: Floats
    ratio_se: Floats
    events: Floats
    buckets: Floats

    @property
    def is_enough(self) -> Bools:
        """Whether there is enough at each slice to take an estimate for normal."""
        return np.asarray((self.events >= ENOUGH_EVENTS) & (self.buckets >= ENOUGH_BUCKETS))


def estimate(sums: Cumulative, metrics: Sequence[str], variant: str) -> dict[str, Estimates]:
    """Give the estimates of metrics that are no quantiles, by metric."""
    if not metrics:
        return {}
    of_latency = np.array([each == LATENCY for each in metrics])[:, None]
    effect, ratio, events = _by_request(sums, metrics, variant)
    if sums.is_by_user:
        own_effect, own_ratio, buckets = _by_user(sums, metrics, variant)
        ratio = _less_sure(own_ratio, ratio)
        effect = np.where(of_latency, ratio, _less_sure(own_effect, effect))
    else:
        buckets = np.full_like(events, np.inf)
        ratio = np.where(of_latency, effect, ratio)  # of the ln already
    found = zip(*effect, *ratio, events, buckets, strict=True)
    return {metric: Estimates(*each) for metric, each in zip(metrics, found, strict=True)}


def arm(sums: Cumulative, metric: str, variant: str) -> Moments:
    """Give a metric's moments of one variant, by slice and phase."""
    moments, column = sums.moments(metric), sums.variants.index(variant)
    return Moments(moments.n[..., column], moments.total[..., column], moments.squares[..., column])


def value(sums: Cumulative, metric: str, variant: str) -> float | None:
    """Give a metric of a variant over all phases, latency's in ms; None where there is none.

    A mean; the geometric one, exp(Σ ln x / n), of the latencies of requests.
    """
    moments = arm(sums, metric, variant)
    n = float(moments.n[-1].sum())
    return None if n < 1 else _shown(sums, metric, float(moments.total[-1].sum()) / n)


def values(
    sums: Cumulative, metric: str, names: tuple[str, str]
) -> tuple[float | None, float | None]:
    """Give a metric of two variants as `value` does, as if both had had the same mix of phases.

    Direct standardisation: a phase that both have counts by its share of the values of both. Where
    there is none, each is given by itself.
    """
    arms = [arm(sums, metric, name) for name in names]
    n, total = (
        np.stack(each) for each in zip(*((a.n[-1], a.total[-1]) for a in arms), strict=True)
    )
    both = (n >= 1).all(axis=0)
    if not both.any():
        return value(sums, metric, names[0]), value(sums, metric, names[1])
    n, total = n[:, both], total[:, both]
    control, treatment = ((total / n) @ (n.sum(axis=0) / n.sum())).tolist()
    return _shown(sums, metric, control), _shown(sums, metric, treatment)


def _shown(sums: Cumulative, metric: str, mean: float) -> float | None:
    """Give a mean in the metric's unit: latency's in ms, where it is of the ln."""
    if metric == LATENCY and not sums.is_by_user:
        with np.errstate(over="ignore"):
            mean = float(np.exp(mean))
    return mean if math.isfinite(mean) else None


def _by_request(
    sums: Cumulative, metrics: Sequence[str], variant: str
) -> tuple[Floats, Floats, Floats]:
    """Give effects and log ratios of requests, each above its SE, and the rarer events."""
    rate = np.array([each in RATES for each in metrics])[:, None, None]
    control, treatment = (
        _stacked([arm(sums, metric, name) for metric in metrics])
        for name in (sums.variants[0], variant)
    )
    effect, ratio = (
        combine(*compared(control, treatment, rate=rate)) for compared in (difference, log_ratio)
    )
    return np.array(effect), np.array(ratio), _rarer_events(control, treatment, rate)


def _stacked(moments: Sequence[Moments]) -> Moments:
    return Moments(
        np.stack([each.n for each in moments]),
        np.stack([each.total for each in moments]),
        np.stack([each.squares for each in moments]),
    )


def _by_user(
    sums: Cumulative, metrics: Sequence[str], variant: str
) -> tuple[Floats, Floats, Floats]:
    """Give effects and log ratios over buckets, each above its SE, and what buckets are worth.

    They are worth what they are in the phase that is worth most, for each is estimated by itself.
    """
    found: dict[str, Floats] = {}
    for counts, named in _by_counts(sums, metrics):
        means = _means(sums, named, counts, variant)
        effect, ratio = means.apart(), means.ln().apart()
        wider = clusters.widening(effect.worth)
        worth = np.broadcast_to(effect.worth.max(axis=-1), effect.value.shape[:-1])
        own = np.stack([*effect.combined(wider), *ratio.combined(wider), worth], axis=1)
        found |= zip(named, own, strict=True)
    d, se, ratio_d, ratio_se, worth = np.stack([found[metric] for metric in metrics], axis=1)
    return np.stack([d, se]), np.stack([ratio_d, ratio_se]), worth


def _by_counts(sums: Cumulative, metrics: Iterable[str]) -> list[tuple[Floats, list[str]]]:
    """Put metrics of as many values in each bucket together, as that is most of the work."""
    found: list[tuple[Floats, list[str]]] = []
    for metric in metrics:
        counts = sums.part(sums.parts(metric)[1])
        like = (named for each, named in found if each is counts or np.array_equal(each, counts))
        if (named := next(like, None)) is None:
            found.append((counts, [metric]))
        else:
            named.append(metric)
    return found


def _means(sums: Cumulative, metrics: Sequence[str], counts: Floats, variant: str) -> Clustered:
    """Give the means of metrics of the same values; both rates come from the errors."""
    summed = [sums.parts(metric)[0] for metric in metrics]
    parts = [*dict.fromkeys(summed)]
    found = clusters.clustered(
        (_arms(sums.part(part), sums, variant) for part in parts), _arms(counts, sums, variant)
    )
    rows = [parts.index(part) for part in summed]
    of_success = np.array([metric == SUCCESS_RATE for metric in metrics])[:, None, None]
    value = np.where(of_success, 1 - found.value[rows], found.value[rows])
    return Clustered(value, found.covariance[rows], found.worth)


def _arms(of_buckets: Floats, sums: Cumulative, variant: str) -> Floats:
    """Give control and the variant in turn, by phase: (slices, phases * 2, B)."""
    column = sums.variants.index(variant)
    arms = of_buckets[:, :, 0 : column + 1 : column]
    return arms.reshape(len(arms), -1, arms.shape[-1])


def _less_sure(users: Floats, requests: Floats) -> Floats:
    """Give what users say, where they do, above the larger standard error.

    Our own choice, which is never surer than either: a variance over buckets is worth little while
    events are few, for no user, and no bucket, had two.
    """
    effect = np.where(np.isfinite(users[0]), users[0], requests[0])
    return np.array([effect, np.maximum(users[1], requests[1])])


def _rarer_events(control: Moments, treatment: Moments, rate: Bools) -> Floats:
    """Give n·min(p, 1 − p) of the smaller arm, p that of both; n where it is no rate.

    Our own rule, held by simulation: a rate is taken for normal with 20 of either outcome.
    """
    n0, n1 = control.n.sum(axis=-1), treatment.n.sum(axis=-1)
    smaller = np.minimum(n0, n1)
    share = (control.total + treatment.total).sum(axis=-1) / np.maximum(n0 + n1, 1)
    return np.asarray(np.where(rate[..., 0], smaller * np.minimum(share, 1 - share), smaller))
