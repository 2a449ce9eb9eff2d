"""Latency quantiles from histograms: the ratio of two arms, with an always-valid interval.

A quantile's own interval comes from ranks: [Q(p − h), Q(p + h)], h = c·√(p(1 − p)/n), where c is
1.96 or, to hold at every look, the always-valid factor. Two arms are combined on the log scale by
MOVER (Zou & Donner 2008, "Construction of confidence limits about effect measures: a general
approach", Statistics in Medicine 27, pages 1693 to 1702).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics.always_valid import factor, planned_g
from openfeature_triton.hooks.histogram import GAMMA, quantile_ms


@dataclass(frozen=True, slots=True)
class Ratio:
    """Treatment over control of a quantile, and its interval; all positive."""

    value: float
    low: float
    high: float


def quantile_factor(n: float, n_planned: float | None, alpha: float) -> float:
    """Give c for `n` latencies of an arm: g grows with n, and is optimal where n is as planned.

    Howard et al. 2021, eq. 14 and section 3.5 (see `always_valid`).
    """
    return float(factor(planned_g(alpha) * n / (n_planned or n), alpha))


def quantile_interval(
    bins: npt.ArrayLike, counts: npt.ArrayLike, p: float, c: float
) -> tuple[float, float, float] | None:
    """Give Q(p), Q(p − h) and Q(p + h) in ms; None while ranks reach beyond the data.

    Our own derivation, after Howard & Ramdas 2022, "Sequential estimation of quantiles with
    applications to A/B testing and best-arm identification": of n latencies those below the true
    quantile are binomial, with mean p·n and variance p(1 − p)·n, so that share's interval (Howard
    et al. 2021, eq. 14, in place of their boundary) holds p, and its ends are ranks.

    Args:
        bins: (b,) bin indices.
        counts: (b,) latencies in each.
        p: between 0 and 1.
        c: how many standard errors of a rank.
    """
    held = np.asarray(counts, float)
    n = float(held.sum())
    if n <= 0:
        return None
    h = c * math.sqrt(p * (1 - p) / n)
    if p - h <= 0 or p + h >= 1:
        return None
    used = held > 0
    found = quantile_ms(np.asarray(bins)[used].astype(int), held[used], [p, p - h, p + h])
    # From the lower edge of one bin to the upper edge of another: where in them is not known.
    half_a_bin = math.sqrt(GAMMA)
    return float(found[0]), float(found[1]) / half_a_bin, float(found[2]) * half_a_bin


def quantile_ratio(
    control: tuple[float, float, float] | None, treatment: tuple[float, float, float] | None
) -> Ratio | None:
    """Combine the intervals of two arms by MOVER on the log scale.

    Zou & Donner 2008, pages 1693 to 1702: squares of the distances to the limits are added, as in
    Newcombe 1998, method 10 (Fagerland et al. 2017, chapter 4; see `fixed_horizon`).
    """
    if control is None or treatment is None:
        return None
    (q0, l0, u0), (q1, l1, u1) = (np.log(each) for each in (control, treatment))
    d = q1 - q0
    low = d - math.hypot(q1 - l1, u0 - q0)
    high = d + math.hypot(u1 - q1, q0 - l0)
    return Ratio(math.exp(d), math.exp(low), math.exp(high))


def combined(ratios: Sequence[Ratio], *, are_alike: bool) -> Ratio:
    """Combine the ratios of phases by inverse variance on the log scale, their intervals by MOVER.

    As `quantile_ratio` says, of weighted ratios in the place of two arms. By our own choice it is
    no surer than the bins of two arms are wide; and where phases are alike, as the same users come
    back, half-widths are added up as they are: no correlation makes a sum wider.
    """
    logs = np.log([(each.value, each.low, each.high) for each in ratios])
    weights = (logs[:, 2] - logs[:, 1]) ** -2
    weights /= weights.sum()
    d = float(weights @ logs[:, 0])
    parts = np.abs(logs[:, 1:] - logs[:, :1]) * weights[:, None]
    widths = parts.sum(axis=0) if are_alike else np.hypot.reduce(parts, axis=0)
    below, above = np.maximum(widths, math.log(GAMMA) / math.sqrt(2))
    return Ratio(math.exp(d), math.exp(d - below), math.exp(d + above))
