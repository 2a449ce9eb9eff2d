"""Quantiles by phase: a latency quantile of a variant beside control's, each phase by itself.

A phase in which everybody was slower says nothing of a variant, however many of its requests fell
into it: so the histograms of phases are never added up, but what each says of the two is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.pairs import Pair
from openfeature_triton.dashboard.statistics.quantiles import (
    Ratio,
    combined,
    quantile_factor,
    quantile_interval,
    quantile_ratio,
)
from openfeature_triton.dashboard.statistics.rollups import QUANTILES
from openfeature_triton.hooks.histogram import quantile_ms


def compare_quantiles(pair: Pair, metric: str, alpha: float) -> tuple[float, float, Ratio] | None:
    """Give a latency quantile of control and of a variant in ms, and their ratio's interval.

    The quantiles are those of both with the same mix of phases. None while no phase has an
    interval.
    """
    sums, p = pair.sums, QUANTILES[metric]
    arms = [sums.counts[:, sums.variants.index(name)] for name in pair.names]
    ratios = {
        phase: ratio
        for phase, factors in enumerate(_factors(pair, arms, alpha))
        if (ratio := _ratio(sums.bins, [each[phase] for each in arms], p, factors)) is not None
    }
    if not ratios:
        return None
    mixed = _with_the_same_mix([each[list(ratios)] for each in arms])
    control_ms, treatment_ms = (float(quantile_ms(sums.bins, each, p)) for each in mixed)
    return control_ms, treatment_ms, combined([*ratios.values()], are_alike=sums.is_by_user)


def _factors(
    pair: Pair, arms: Sequence[Floats], alpha: float
) -> list[tuple[float | None, float | None]]:
    """Give for each phase how many standard errors of a rank the interval of either arm has.

    By our own choice an arm's c is that of all its latencies in phases that both arms have, for
    these are what its interval is combined from. None where users cost more than is known.
    """
    n = np.array([each.sum(axis=-1) for each in arms])
    both = (n > 0).all(axis=0)
    planned = pair.plan.planned_requests
    per_arm = planned and planned / len(pair.sums.variants)
    columns = []
    for name, counts in zip(pair.names, n, strict=True):
        c = quantile_factor(max(1.0, float(counts[both].sum())), per_arm, alpha)
        effects = pair.design_effects[name]
        columns.append([None if each is None else c * math.sqrt(each) for each in effects])
    return list(zip(*columns, strict=True))


def _ratio(
    bins: Floats, arms: Sequence[Floats], p: float, factors: Sequence[float | None]
) -> Ratio | None:
    """Give the ratio in one phase, from the histograms of the two."""
    found = (
        None if c is None else quantile_interval(bins, held, p, c)
        for held, c in zip(arms, factors, strict=True)
    )
    return quantile_ratio(*found)


def _with_the_same_mix(arms: Sequence[Floats]) -> list[npt.NDArray[np.float64]]:
    """Add up each arm's phases (phases, b) as if it had had the share of both in each.

    Direct standardisation, as `values` says of means.
    """
    n = np.array([each.sum(axis=-1) for each in arms])
    shares = n.sum(axis=0) / n.sum()
    return [(shares * own.sum() / own) @ held for own, held in zip(n, arms, strict=True)]
