"""Latency quantiles held in simulation: looked at many times, no false alarm in most runs.

Histograms are drawn, not latencies: how many fall into each bin is multinomial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np
import pytest
from scipy import stats

from openfeature_triton.dashboard.statistics.always_valid import Floats
from openfeature_triton.dashboard.statistics.quantiles import (
    Ratio,
    quantile_factor,
    quantile_interval,
    quantile_ratio,
)
from openfeature_triton.hooks.histogram import edges_ms

pytestmark = pytest.mark.slow
Factor = Callable[[float, float, float], float]
QUANTILES = (0.5, 0.95, 0.99)
BINS = np.arange(500, 900)
LATENCIES = {
    "lognormal": stats.lognorm(0.6, scale=150.0),
    "pareto": stats.pareto(1.5, scale=60.0),
}
LOOKS = np.geomspace(300, 30_000, 30).astype(int)


def in_bins(latency_ms: stats.rv_continuous, slower: float = 1.0) -> Floats:
    """The chance of each bin; those beyond count for the last."""
    edges = edges_ms(BINS)[1][:-1] / slower
    return np.diff(latency_ms.cdf(edges), prepend=0.0, append=1.0)


def ratios(
    rng: np.random.Generator, chances: Sequence[Floats], share: float, p: float, factor: Factor
) -> list[Ratio]:
    """What is said of two arms at each look, where anything is."""
    found = []
    for arm, part in zip(chances, (1 - share, share), strict=True):
        grown = np.diff(LOOKS * part, prepend=0).astype(int)
        counts = rng.multinomial(grown, arm).cumsum(axis=0)
        factors = (factor(float(each.sum()), LOOKS[-1] / 2, 0.05) for each in counts)
        found.append([quantile_interval(BINS, *each) for each in zip(counts, repeat(p), factors)])
    return [each for each in map(quantile_ratio, *found) if each is not None]


def missed(
    chances: Sequence[Floats],
    share: float,
    p: float,
    truth: float,
    factor: Factor = quantile_factor,
) -> float:
    """The share of 200 runs in which the truth is outside at any look; each says something."""
    rng = np.random.default_rng(1)
    runs = [ratios(rng, chances, share, p, factor) for _ in range(200)]
    assert all(runs)
    return float(np.mean([any(not r.low <= truth <= r.high for r in each) for each in runs]))


@pytest.mark.parametrize("share", [0.5, 0.1], ids=["50/50", "90/10"])
@pytest.mark.parametrize("latencies", LATENCIES)
@pytest.mark.parametrize("p", QUANTILES)
def test_looking_at_a_quantile_gives_no_false_alarms(
    share: float, latencies: str, p: float
) -> None:
    """A/A, looked at 30 times from 300 to 30,000 requests: at most 5 % ever name a winner.

    Of 200 runs a true 10 % would pass once in a hundred times.
    """
    same = in_bins(LATENCIES[latencies])
    assert missed([same, same], share, p, 1.0) <= 0.05


@pytest.mark.parametrize("p", QUANTILES)
def test_the_interval_of_a_quantile_covers_at_every_look(p: float) -> None:
    """A treatment that is a tenth slower: so it is inside at all looks in 95 % of the runs."""
    chances = [in_bins(LATENCIES["lognormal"], slower) for slower in (1.0, 1.1)]
    assert missed(chances, 0.5, p, 1.1) <= 0.05


def test_with_the_fixed_horizon_factor_there_would_be_alarms() -> None:
    """So the runs above are of such that can alarm."""
    same = in_bins(LATENCIES["pareto"])
    assert missed([same, same], 0.5, 0.99, 1.0, lambda *_: 1.96) > 0.1
