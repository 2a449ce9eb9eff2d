"""Guarding: whether one variant harms a guardrail, from the sums that bear on its metric."""

from __future__ import annotations

import math

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import mixture_scale
from openfeature_triton.dashboard.statistics.comparing import compare_quantiles
from openfeature_triton.dashboard.statistics.estimates import estimate, is_enough, value
from openfeature_triton.dashboard.statistics.guardrails import (
    UNKNOWN,
    Guardrail,
    GuardrailResult,
    judge,
    judge_interval,
    log_event_evidence,
    log_shift_evidence,
)
from openfeature_triton.dashboard.statistics.rollups import (
    ERROR_RATE,
    QUANTILES,
    RATES,
    Cumulative,
    Plan,
)
from openfeature_triton.hooks import schema


def guard(sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail) -> GuardrailResult:
    """Judge one guardrail of a variant, by the whole of its history."""
    if not sums.slices:
        return GuardrailResult(guardrail, UNKNOWN, None, None, None)
    if guardrail.metric in QUANTILES:
        return _by_quantile(sums, plan, variant, guardrail)
    if guardrail.metric in RATES and not sums.is_by_user:
        return _by_events(sums, plan, variant, guardrail)
    return _by_ratio(sums, plan, variant, guardrail)


def _by_quantile(
    sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail
) -> GuardrailResult:
    """Judge a latency quantile by its interval, which has α on each side."""
    found = compare_quantiles(sums, plan, variant, guardrail.metric, 2 * plan.alpha)
    if found is None:
        return GuardrailResult(guardrail, UNKNOWN, None, None, None)
    return judge_interval(guardrail, found[2].value, found[2].low, found[2].high)


def _by_events(sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail) -> GuardrailResult:
    """Judge errors by their share; each phase's evidence is added, as its weights are its own."""
    errors = sums.of(schema.ERRORS)
    column = sums.variants.index(variant)
    harm, safety = np.zeros(len(sums.slices)), np.zeros(len(sums.slices))
    for row, phase in enumerate(sums.phases):
        weights = plan.weights.get(phase, {})
        pair = float(weights.get(variant, 0.0)), float(weights.get(plan.control, 0.0))
        found = log_event_evidence(
            errors[:, row, column], errors[:, row, 0], pair, guardrail.margin
        )
        harm, safety = harm + found[0], safety + found[1]
    control, treatment = (value(sums, ERROR_RATE, each) for each in (plan.control, variant))
    ratio = treatment / control if control and treatment is not None else None
    return judge(guardrail, ratio, float(harm.max()), float(safety.max()), plan.alpha)


def _by_ratio(sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail) -> GuardrailResult:
    """Judge a mean by its log ratio to control, in the direction in which more is worse."""
    # A share of successes is as safe as its share of errors: both are judged by the errors.
    metric = ERROR_RATE if guardrail.metric in RATES else guardrail.metric
    found = estimate(sums, metric, variant)
    sign = 1.0 if plan.improves_downwards(metric) else -1.0
    tau = mixture_scale(math.log1p(guardrail.margin), plan.alpha, plan.power)
    harm, safety = log_shift_evidence(
        sign * found.ratio, found.ratio_se, math.log1p(guardrail.margin), tau
    )
    if sums.is_by_user:
        known = is_enough(sums, metric, variant)
        harm, safety = np.where(known, harm, 0.0), np.where(known, safety, 0.0)
    d = sign * float(found.ratio[-1])
    ratio = math.exp(d) if math.isfinite(d) else None
    return judge(guardrail, ratio, float(harm.max()), float(safety.max()), plan.alpha)
