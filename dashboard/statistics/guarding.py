"""Guarding: whether one variant harms a guardrail, from the sums that bear on its metric."""

from __future__ import annotations

import math

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import mixture_scale
from openfeature_triton.dashboard.statistics.estimates import values
from openfeature_triton.dashboard.statistics.guardrails import (
    UNKNOWN,
    Guardrail,
    GuardrailResult,
    judge,
    judge_interval,
    log_event_evidence,
    log_shift_evidence,
)
from openfeature_triton.dashboard.statistics.pairs import Pair
from openfeature_triton.dashboard.statistics.quantiles_by_phase import compare_quantiles
from openfeature_triton.dashboard.statistics.rollups import (
    ERROR_RATE,
    QUANTILES,
    RATES,
)
from openfeature_triton.hooks import schema


def guard(pair: Pair, guardrail: Guardrail) -> GuardrailResult:
    """Judge one guardrail of a variant, by the whole of its history."""
    if guardrail.metric in QUANTILES:
        return _by_quantile(pair, guardrail)
    if guardrail.metric in RATES and not pair.sums.is_by_user:
        return _by_events(pair, guardrail)
    return _by_ratio(pair, guardrail)


def _by_quantile(pair: Pair, guardrail: Guardrail) -> GuardrailResult:
    """Judge a latency quantile by its interval, which has α on each side."""
    found = compare_quantiles(pair, guardrail.metric, 2 * pair.plan.alpha)
    if found is None:
        return GuardrailResult(guardrail, UNKNOWN, None, None, None)
    return judge_interval(guardrail, found[2].value, found[2].low, found[2].high)


def _by_events(pair: Pair, guardrail: Guardrail) -> GuardrailResult:
    """Judge errors by their share; each phase's evidence is added, as its weights are its own."""
    sums, plan = pair.sums, pair.plan
    errors = sums.of(schema.ERRORS)
    column = sums.variants.index(pair.variant)
    harm, safety = np.zeros(len(sums.slices)), np.zeros(len(sums.slices))
    for row, phase in enumerate(sums.phases):
        weights = plan.weights.get(phase, {})
        shares = float(weights.get(pair.variant, 0.0)), float(weights.get(plan.control, 0.0))
        found = log_event_evidence(
            errors[:, row, column], errors[:, row, 0], shares, guardrail.margin
        )
        harm, safety = harm + found[0], safety + found[1]
    control, treatment = values(sums, ERROR_RATE, pair.names)
    ratio = treatment / control if control and treatment is not None else None
    return judge(guardrail, ratio, float(harm.max()), float(safety.max()), plan.alpha)


def _by_ratio(pair: Pair, guardrail: Guardrail) -> GuardrailResult:
    """Judge a mean by its log ratio to control, in the direction in which more is worse."""
    # A share of successes is as safe as its share of errors: both are judged by the errors.
    metric = ERROR_RATE if guardrail.metric in RATES else guardrail.metric
    found, plan = pair.estimate(metric), pair.plan
    sign = 1.0 if plan.improves_downwards(metric) else -1.0
    tau = mixture_scale(math.log1p(guardrail.margin), plan.alpha, plan.power)
    harm, safety = log_shift_evidence(
        sign * found.ratio, found.ratio_se, math.log1p(guardrail.margin), tau
    )
    if pair.sums.is_by_user:
        harm, safety = (np.where(found.is_enough, each, 0.0) for each in (harm, safety))
    d = sign * float(found.ratio[-1])
    ratio = math.exp(d) if math.isfinite(d) else None
    return judge(guardrail, ratio, float(harm.max()), float(safety.max()), plan.alpha)
