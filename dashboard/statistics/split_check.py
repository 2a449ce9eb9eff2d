"""Split check: what each variant got against what its weights promise, over all phases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import Floats, running_p
from openfeature_triton.dashboard.statistics.results import SplitResult
from openfeature_triton.dashboard.statistics.rollups import Cumulative, Plan
from openfeature_triton.dashboard.statistics.split import (
    ALARM,
    log_mean,
    log_split_evidence,
    log_user_split_evidence,
)
from openfeature_triton.hooks import schema


def check_split(sums: Cumulative, plan: Plan) -> SplitResult:
    """Check the split of each phase of which weights are known, and of all together."""
    log_e = _users(sums, plan) if sums.is_by_user else _requests(sums, plan)
    p_value = float(running_p(log_e)[-1]) if len(log_e) else 1.0
    counts, expected = _counts(sums, plan)
    total = expected.sum()
    return SplitResult(
        counts={v: int(n) for v, n in zip(sums.variants, counts, strict=True)},
        shares={
            v: float(e / total) if total else 0.0
            for v, e in zip(sums.variants, expected, strict=True)
        },
        p_value=p_value,
        broken=p_value < ALARM,
    )


def _requests(sums: Cumulative, plan: Plan) -> Floats:
    """Give ln e at each slice; the phases' are independent, so they add."""
    exposures = sums.of(schema.EXPOSURES)
    log_e = np.zeros(len(sums.slices))
    for row, weights in _weighted(sums, plan):
        log_e = log_e + log_split_evidence(exposures[:, row, :], weights)
    return log_e


def _users(sums: Cumulative, plan: Plan) -> Floats:
    """Give ln e at each slice: the mean over phases and treatments of each pair's share."""
    n = sums.part("n")
    found = []
    for row, weights in _weighted(sums, plan):
        for column in range(1, len(sums.variants)):
            pair = weights[0] + weights[column]
            if pair > 0:
                treated = n[:, row, column]
                both = treated + n[:, row, 0]
                found.append(log_user_split_evidence(treated, both, weights[column] / pair))
    return log_mean(np.stack(found, axis=-1)) if found else np.zeros(len(sums.slices))


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
