"""Pairs: one variant beside control, with the estimates that all said of the two rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openfeature_triton.dashboard.statistics.clusters import design_effect
from openfeature_triton.dashboard.statistics.estimates import Estimates, arm, estimate
from openfeature_triton.dashboard.statistics.rollups import (
    ERROR_RATE,
    LATENCY,
    QUANTILES,
    SUCCESS_RATE,
    Cumulative,
    Plan,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A variant and control: what was recorded of both, and the estimates of `metrics`.

    `design_effects` are what users cost the ranks of each one's latencies in each phase.
    """

    sums: Cumulative = field(repr=False)
    plan: Plan
    variant: str
    metrics: tuple[str, ...]
    estimates: Mapping[str, Estimates] = field(repr=False)
    design_effects: Mapping[str, tuple[float | None, ...]] = field(repr=False)

    @property
    def names(self) -> tuple[str, str]:
        """Control and the variant."""
        return self.plan.control, self.variant

    def estimate(self, metric: str) -> Estimates:
        """Give a metric's estimates; for a quantile those of the latency."""
        return self.estimates[LATENCY if metric in QUANTILES else metric]


def pair(sums: Cumulative, plan: Plan, variant: str, metrics: Sequence[str]) -> Pair:
    """Set a variant beside control in some metrics.

    The error rate is estimated with them, for guarded rates are judged by it.
    """
    named = [LATENCY if each in QUANTILES else each for each in metrics]
    needed = tuple(dict.fromkeys((*named, ERROR_RATE)))
    effects = {name: _design_effects(sums, name) for name in (plan.control, variant)}
    return Pair(sums, plan, variant, tuple(metrics), estimate(sums, needed, variant), effects)


def compared_metrics(sums: Cumulative, plan: Plan) -> tuple[str, ...]:
    """Name the metrics that were recorded or are guarded, the primary one first."""
    named = dict.fromkeys((plan.primary_metric, SUCCESS_RATE, LATENCY, *QUANTILES))
    if plan.primary_metric == ERROR_RATE:
        del named[SUCCESS_RATE]
    named |= dict.fromkeys(sums.custom_metrics())
    for guarded in reversed([each.metric for each in plan.guardrails]):
        if guarded not in named:
            named = {plan.primary_metric: None, guarded: None} | named
    return tuple(named)


def _design_effects(sums: Cumulative, variant: str) -> tuple[float | None, ...]:
    """Give what users cost the ranks of latencies in each phase: what they cost the mean latency.

    Our own choice; the effect on a rank would have to be counted by bucket and bin.
    """
    if not sums.is_by_user:
        return (1.0,) * len(sums.phases)
    column = sums.variants.index(variant)
    totals, counts = (each[-1, :, column] for each in map(sums.part, sums.parts(LATENCY)))
    variances = arm(sums, LATENCY, variant).variance()[-1]
    return tuple(map(design_effect, totals, counts, variances.tolist()))
