"""Scales: the τ of each metric's mixture, from the plan where it is the primary one."""

from __future__ import annotations

import math

from openfeature_triton.dashboard.statistics.always_valid import mixture_scale
from openfeature_triton.dashboard.statistics.estimates import value
from openfeature_triton.dashboard.statistics.rollups import LATENCY, RATES, Cumulative, Plan

DEFAULT_RATE_EFFECT, DEFAULT_RELATIVE_EFFECT = 0.01, 0.1
"""What is looked for where no plan says so: a point of a rate, a tenth of anything else."""


def scale(sums: Cumulative, plan: Plan, metric: str) -> float:
    """Give the τ of a metric's effect, in the unit that its estimate is in.

    `always_valid.mixture_scale` of what is looked for (Howard et al. 2021, section 3.5).
    """
    return mixture_scale(_looked_for(sums, plan, metric), plan.alpha, plan.power)


def relative_scale(tau: float, metric: str, control: float | None) -> float:
    """Give the τ of the log ratio: that of the effect, over control's value.

    By the delta method, ln(1 + d/c) ≈ d/c (Kohavi, Tang & Xu 2020, chapter 18).
    """
    if metric == LATENCY or not control:
        return tau
    return tau / abs(control)


def _looked_for(sums: Cumulative, plan: Plan, metric: str) -> float:
    """Give the effect that is looked for, of a latency as ln(1 + share); else our own defaults."""
    if metric == plan.primary_metric and plan.minimum_effect:
        return math.log1p(plan.minimum_effect) if metric == LATENCY else plan.minimum_effect
    if metric in RATES:
        return DEFAULT_RATE_EFFECT
    if metric == LATENCY:
        return math.log1p(DEFAULT_RELATIVE_EFFECT)
    return DEFAULT_RELATIVE_EFFECT * abs(value(sums, metric, plan.control) or 1.0)
