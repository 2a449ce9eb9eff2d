"""Estimates: a metric's effect and its standard error at each slice, phases combined.

Where the unit is the request, from counts, sums and sums of squares; where it is the user, from
sums by buckets of users, and never surer than requests alone would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics import clusters
from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.clusters import ENOUGH_BUCKETS
from openfeature_triton.dashboard.statistics.moments import Moments, combine, difference, log_ratio
from openfeature_triton.dashboard.statistics.rollups import LATENCY, QUANTILES, RATES, Cumulative
from openfeature_triton.dashboard.statistics.verdict import ENOUGH_EVENTS


@dataclass(frozen=True, slots=True)
class Estimates:
    """One variant against control at each slice; (nan, inf) where nothing can be said.

    `effect` and `se` are in the metric's unit, for latency of the ln; `ratio` and `ratio_se` are of
    ln(treatment / control).
    """

    effect: Floats
    se: Floats
    ratio: Floats
    ratio_se: Floats


def estimate(sums: Cumulative, metric: str, variant: str) -> Estimates:
    """Give the estimates of a metric that is no quantile."""
    by_request = _by_request(sums, metric, variant)
    if not sums.is_by_user:
        return by_request
    by_user = _by_user(sums, metric, variant)
    # A variance over buckets is little worth while events are few: no user, and no bucket, had two.
    return Estimates(
        np.where(np.isfinite(by_user.effect), by_user.effect, by_request.effect),
        np.maximum(by_user.se, by_request.se),
        np.where(np.isfinite(by_user.ratio), by_user.ratio, by_request.ratio),
        np.maximum(by_user.ratio_se, by_request.ratio_se),
    )


def arm(sums: Cumulative, metric: str, variant: str) -> Moments:
    """Give a metric's moments of one variant, by slice and phase."""
    moments, column = sums.moments(metric), sums.variants.index(variant)
    return Moments(moments.n[..., column], moments.total[..., column], moments.squares[..., column])


def value(sums: Cumulative, metric: str, variant: str) -> float | None:
    """Give a metric of a variant over all phases; latency's in ms."""
    moments = arm(sums, metric, variant)
    n = float(moments.n[-1].sum())
    if n <= 0:
        return None
    mean = float(moments.total[-1].sum()) / n
    return float(np.exp(mean)) if metric == LATENCY and not sums.is_by_user else mean


def rarer_events(sums: Cumulative, metric: str, variant: str) -> Floats:
    """Give, at each slice, how often the rarer outcome is expected in the smaller arm.

    For a metric that is no rate, how many values the smaller arm has.
    """
    of = LATENCY if metric in QUANTILES else metric
    control, treatment = arm(sums, of, sums.variants[0]), arm(sums, of, variant)
    n0, n1 = control.n.sum(axis=1), treatment.n.sum(axis=1)
    smaller = np.minimum(n0, n1)
    if metric not in RATES:
        return np.asarray(smaller)
    share = (control.total + treatment.total).sum(axis=1) / np.maximum(n0 + n1, 1)
    return np.asarray(smaller * np.minimum(share, 1 - share))


def worth_of_users(sums: Cumulative, metric: str, variant: str) -> Floats:
    """Give, at each slice, how many equally busy buckets the users of the smaller arm are worth.

    Of the phase that is worth most, for each is estimated by itself.
    """
    _, n = sums.by_bucket(LATENCY if metric in QUANTILES else metric)
    control, treatment = (
        clusters.worth(n[:, :, each]) for each in (0, sums.variants.index(variant))
    )
    return np.asarray(np.minimum(control, treatment).max(axis=1))


def is_enough(sums: Cumulative, metric: str, variant: str) -> npt.NDArray[np.bool_]:
    """Say at each slice whether there is enough to take an estimate for normal."""
    enough = rarer_events(sums, metric, variant) >= ENOUGH_EVENTS
    if sums.is_by_user:
        enough = enough & (worth_of_users(sums, metric, variant) >= ENOUGH_BUCKETS)
    return np.asarray(enough)


def _by_request(sums: Cumulative, metric: str, variant: str) -> Estimates:
    control, treatment = arm(sums, metric, sums.variants[0]), arm(sums, metric, variant)
    rate = metric in RATES
    effect, se = combine(*difference(control, treatment, rate=rate))
    if metric == LATENCY and not sums.is_by_user:
        return Estimates(effect, se, effect, se)  # of the ln already
    ratio, ratio_se = combine(*log_ratio(control, treatment, rate=rate))
    if metric == LATENCY:
        return Estimates(ratio, ratio_se, ratio, ratio_se)
    return Estimates(effect, se, ratio, ratio_se)


def _by_user(sums: Cumulative, metric: str, variant: str) -> Estimates:
    totals, counts = sums.by_bucket(metric)
    column = sums.variants.index(variant)
    control, treatment = (
        clusters.clustered(totals[:, :, each], counts[:, :, each]) for each in (0, column)
    )
    ratio, ratio_se = clusters.combine(treatment.ln() - control.ln())
    if metric == LATENCY:
        return Estimates(ratio, ratio_se, ratio, ratio_se)
    return Estimates(*clusters.combine(treatment - control), ratio, ratio_se)
