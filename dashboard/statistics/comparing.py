"""Comparing: one metric of one variant against control, with the intervals that hold at every look.

Each phase is compared by itself and combined with the others. The values of the two beside the
effect are those of both with the same mix of phases.
"""

from __future__ import annotations

import math

import numpy as np

from openfeature_triton.dashboard.statistics import fixed_horizon
from openfeature_triton.dashboard.statistics.always_valid import (
    Floats,
    half_width,
    log_evidence,
    running_p,
)
from openfeature_triton.dashboard.statistics.estimates import arm, values
from openfeature_triton.dashboard.statistics.pairs import Pair
from openfeature_triton.dashboard.statistics.quantiles_by_phase import compare_quantiles
from openfeature_triton.dashboard.statistics.results import Effect, MetricResult, Step
from openfeature_triton.dashboard.statistics.rollups import (
    LATENCY,
    QUANTILES,
    RATES,
)
from openfeature_triton.dashboard.statistics.scales import relative_scale, scale
from openfeature_triton.dashboard.statistics.verdict import BETTER, UNDECIDED, WORSE

Ends = tuple[float | None, float | None, float | None]


def compare(pair: Pair, metric: str) -> MetricResult:
    """Compare a variant with control in one metric."""
    if metric in QUANTILES:
        return _compare_quantile(pair, metric)
    found, plan = pair.estimate(metric), pair.plan
    tau = scale(pair.sums, plan, metric)
    log_e = np.where(found.is_enough, log_evidence(np.nan_to_num(found.effect), found.se, tau), 0.0)
    p_value = float(running_p(log_e)[-1])
    shown = _direction(found.effect, log_e) if p_value <= plan.alpha else 0
    improved = (shown < 0) == plan.improves_downwards(metric)
    state = UNDECIDED if shown == 0 else BETTER if improved else WORSE
    control, treatment = values(pair.sums, metric, pair.names)
    effect = _effect(pair, metric, tau, control)
    return MetricResult(metric, control, treatment, effect, p_value, state)


def _direction(effect: Floats, log_e: Floats) -> int:
    """Give −1 or 1, as the evidence was at its height; 0 where the effect has turned since.

    Our own rule: a treatment that was shown to be worse, and was mended, is not shown to be better.
    """
    then, now = float(effect[np.argmax(log_e)]), float(effect[-1])
    return 0 if not then * now > 0 else 1 if now > 0 else -1


def compare_all(pair: Pair) -> tuple[MetricResult, ...]:
    """Compare a variant in every metric of a pair, in their order."""
    return tuple(compare(pair, metric) for metric in pair.metrics)


def steps(pair: Pair) -> tuple[Step, ...]:
    """Give the primary effect as it stood at the end of each slice; () for a quantile."""
    metric = pair.plan.primary_metric
    if metric in QUANTILES:
        return ()
    found = pair.estimate(metric)
    widths = half_width(found.se, scale(pair.sums, pair.plan, metric), pair.plan.alpha)
    return tuple(
        Step(index, *_ends(metric, d, width))
        for index, d, width in zip(
            pair.sums.slices, found.effect.tolist(), widths.tolist(), strict=True
        )
    )


def _effect(pair: Pair, metric: str, tau: float, control: float | None) -> Effect:
    found, alpha = pair.estimate(metric), pair.plan.alpha
    width = float(half_width(found.se[-1], tau, alpha))
    relative_tau = relative_scale(tau, metric, control)
    relative_width = float(half_width(found.ratio_se[-1], relative_tau, alpha))
    return Effect(
        *_ends(metric, float(found.effect[-1]), width),
        *_ends(LATENCY, float(found.ratio[-1]), relative_width),
        *_fixed(pair, metric),
    )


def _ends(metric: str, d: float, width: float) -> Ends:
    """Give an effect and its interval; latency's as shares, from the ln, a rate's within ±1."""
    if not math.isfinite(d):
        return None, None, None
    ends = (d, d - width, d + width)
    if metric == LATENCY:
        ends = (math.expm1(d), math.expm1(max(ends[1], -700.0)), math.expm1(min(ends[2], 700.0)))
    if not math.isfinite(width):
        return ends[0], None, None
    if metric in RATES:
        return d, max(ends[1], -1.0), min(ends[2], 1.0)
    return ends


def _fixed(pair: Pair, metric: str) -> tuple[float | None, float | None]:
    """Give the fixed-horizon interval; of users, or of several phases, that of the estimate."""
    sums, alpha = pair.sums, pair.plan.alpha
    if sums.is_by_user or len(sums.phases) > 1:
        found = pair.estimate(metric)
        width = fixed_horizon.normal_half_width(float(found.se[-1]), alpha)
        return _ends(metric, float(found.effect[-1]), width)[1:]
    arms = [arm(sums, metric, name) for name in pair.names]
    (n0, s0), (n1, s1) = ((float(each.n[-1, 0]), float(each.total[-1, 0])) for each in arms)
    if n1 < 2 or n0 < 2:
        return None, None
    if metric in RATES:
        return fixed_horizon.newcombe(s1, n1, s0, n0, alpha)
    var0, var1 = (float(each.variance()[-1, 0]) for each in arms)
    low, high = fixed_horizon.welch((s1 / n1, var1, n1), (s0 / n0, var0, n0), alpha)
    return (math.expm1(low), math.expm1(high)) if metric == LATENCY else (low, high)


def _compare_quantile(pair: Pair, metric: str) -> MetricResult:
    found = compare_quantiles(pair, metric, pair.plan.alpha)
    if found is None:
        return MetricResult(metric, None, None, Effect(), None, UNDECIDED)
    control_ms, treatment_ms, ratio = found
    shares = ratio.value - 1, ratio.low - 1, ratio.high - 1
    state = BETTER if shares[2] < 0 else WORSE if shares[1] > 0 else UNDECIDED
    return MetricResult(metric, control_ms, treatment_ms, Effect(*shares, *shares), None, state)
