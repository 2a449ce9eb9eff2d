"""Split check: what each variant got against what its weights promise, over all phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import Floats, running_p
from openfeature_triton.dashboard.statistics.results import PhaseSplit, SplitResult
from openfeature_triton.dashboard.statistics.rollups import Cumulative, Plan
from openfeature_triton.dashboard.statistics.split import (
    ALARM,
    log_mean,
    log_over_phases,
    log_split_evidence,
    log_user_split_evidence,
)
from openfeature_triton.hooks import schema

N = TypeVar("N", int, float)


def check_split(sums: Cumulative, plan: Plan) -> SplitResult:
    """Check the split of each phase of which weights are known, and of all together."""
    weighted = [*_weighted(sums, plan)]
    evidence = _users if sums.is_by_user else _requests
    by_phase = np.array([evidence(sums, row, weights) for row, weights in weighted])
    by_phase = by_phase.reshape(len(weighted), len(sums.slices))
    whole = log_over_phases(by_phase.T, are_independent=not sums.is_by_user)
    phases = tuple(
        _phase(sums, row, weights, _p_value(log_e))
        for (row, weights), log_e in zip(weighted, by_phase, strict=True)
    )
    counts, expected = _counts(sums, plan)
    p_value = _p_value(whole)
    return SplitResult(
        counts=_by_variant(sums, counts, int),
        shares=_by_variant(sums, expected / (expected.sum() or 1.0), float),
        p_value=p_value,
        broken=p_value < ALARM,
        phases=phases,
    )


def _phase(sums: Cumulative, row: int, weights: Floats, p_value: float) -> PhaseSplit:
    return PhaseSplit(
        phase=sums.phases[row],
        counts=_by_variant(sums, sums.of(schema.EXPOSURES)[-1, row], int),
        shares=_by_variant(sums, weights / weights.sum(), float),
        p_value=p_value,
    )


def _p_value(log_e: Floats) -> float:
    return float(running_p(log_e)[-1]) if len(log_e) else 1.0


def _by_variant(sums: Cumulative, values: Floats, kind: Callable[[float], N]) -> dict[str, N]:
    return {name: kind(each) for name, each in zip(sums.variants, values.tolist(), strict=True)}


def _requests(sums: Cumulative, row: int, weights: Floats) -> Floats:
    """Give ln e of a phase at each slice."""
    return log_split_evidence(sums.of(schema.EXPOSURES)[:, row, :], weights)


def _users(sums: Cumulative, row: int, weights: Floats) -> Floats:
    """Give ln e of a phase at each slice: the mean over the treatments' shares beside control."""
    n = sums.part("n")[:, row]
    found = [
        log_user_split_evidence(n[:, nth], n[:, nth] + n[:, 0], weights[nth] / pair)
        for nth in range(1, len(sums.variants))
        if (pair := weights[0] + weights[nth]) > 0
    ]
    return log_mean(np.stack(found, axis=-1)) if found else np.zeros(len(n))


def _counts(sums: Cumulative, plan: Plan) -> tuple[Floats, Floats]:
    """Give each variant's exposures, and how many its weights promised.

    In the phases of which weights are known; in all, and nothing promised, where there is none.
    """
    expected = np.zeros(len(sums.variants))
    if not sums.slices:
        return expected, expected
    exposures, rows = sums.of(schema.EXPOSURES)[-1], []
    for row, weights in _weighted(sums, plan):
        expected = expected + weights / weights.sum() * exposures[row].sum()
        rows.append(row)
    return exposures[rows or slice(None)].sum(axis=0), expected


def _weighted(sums: Cumulative, plan: Plan) -> Iterator[tuple[int, Floats]]:
    """Give each phase of which weights are known: its row, and a weight per variant."""
    for row, phase in enumerate(sums.phases):
        named: Mapping[str, float] = plan.weights.get(phase, {})
        weights = np.array([float(named.get(variant, 0.0)) for variant in sums.variants])
        if weights.sum() > 0:
            yield row, weights
