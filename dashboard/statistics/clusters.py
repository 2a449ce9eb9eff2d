"""Clusters: means and shares whose unit is a user, from sums over hash buckets of users.

Requests of one user resemble each other, so what counts as independent are buckets of users. A mean
is a ratio of sums, r = Σs/Σn, and a bucket moves it by (s_b − r·n_b)/Σn: the delta method for a
ratio (Deng, Knoblich & Lu 2018, "Applying the delta method in metric analytics: a practical guide
with novel ideas"), over buckets of users as in Kohavi, Tang & Xu 2020, "Trustworthy online
controlled experiments", chapter 18. Users are hashed into buckets by a salt of its own, so buckets
are independent and alike whatever single users do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from openfeature_triton.dashboard.statistics.always_valid import ALPHA, Floats

BUCKETS = 128
ENOUGH_BUCKETS = 20.0
"""How many equally busy buckets of the smaller arm make a variance worth anything."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """An estimate (…), what each bucket moves it by (…, B), and how many buckets that is worth (…).

    `worth` is that of the smaller arm.
    """

    value: Floats
    influence: Floats
    worth: Floats

    def __sub__(self, other: Clustered) -> Clustered:
        """Give the difference; a bucket that moves both moves it by the difference."""
        return Clustered(
            self.value - other.value,
            self.influence - other.influence,
            np.minimum(self.worth, other.worth),
        )

    def ln(self) -> Clustered:
        """Give the logarithm, by the delta method; nan where the value is not positive."""
        known = self.value > 0
        value = np.where(known, self.value, np.nan)
        influence = self.influence * np.where(known, 1 / value, 0.0)[..., None]
        return Clustered(np.log(value), influence, self.worth)

    def se(self, alpha: float = ALPHA) -> Floats:
        """Give the standard error; infinite below `ENOUGH_BUCKETS`.

        var r = B/(B − 1) · Σ(s_b − r·n_b)² / (Σn)² (the sandwich of Liang & Zeger 1986,
        "Longitudinal data analysis using generalized linear models"), widened by
        t₁₋α/₂ with B − 1 degrees of freedom over z₁₋α/₂, for there are only B buckets to know it
        from. B is what the buckets are worth (Carter, Schnepel & Steigerwald 2017, "Asymptotic
        behavior of a t-test robust to cluster heterogeneity"): a few busy users make a
        few buckets count for all.
        """
        return _se(self.influence, _widening(self.worth, alpha))


def clustered(sums: npt.ArrayLike, counts: npt.ArrayLike) -> Clustered:
    """Give r = Σs/Σn; nan where nothing was counted.

    Args:
        sums: (…, B) the sum of a metric in each bucket.
        counts: (…, B) how many values it is of.
    """
    s, n = np.asarray(sums, float), np.asarray(counts, float)
    total = n.sum(axis=-1)
    per_count = np.where(total > 0, 1 / np.where(total > 0, total, 1.0), 0.0)
    r = s.sum(axis=-1) * per_count
    influence = (s - r[..., None] * n) * per_count[..., None]
    return Clustered(np.where(total > 0, r, np.nan), influence, worth(n))


def worth(counts: npt.ArrayLike) -> Floats:
    """Give how many equally busy buckets as much can be learned from: (Σn)²/Σn².

    The effective sample size of unequal weights (Kish 1965, "Survey sampling"); it
    knows how busy users are, and nothing of how they fared.

    Args:
        counts: (…, B) the requests in each bucket.
    """
    n = np.asarray(counts, float)
    squares = _sum_of_squares(n)
    return np.where(squares > 0, n.sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)


def combine(phases: Clustered) -> tuple[Floats, Floats]:
    """Combine the estimates of several phases by inverse variance: effect and standard error.

    The phases are the last axis of the values. Their estimates are not independent, for the same
    users come back: what a bucket moves is added up over the phases before it is squared (Liang &
    Zeger 1986). (nan, inf) where no phase has an estimate.
    """
    widening = _widening(phases.worth)
    ses = _se(phases.influence, widening)
    usable = np.isfinite(ses) & np.isfinite(phases.value)
    information = np.where(usable, 1 / np.where(usable, ses, 1.0) ** 2, 0.0)
    total = information.sum(axis=-1, keepdims=True)
    weights = information / np.where(total > 0, total, 1.0)
    effect = (np.where(usable, phases.value, 0.0) * weights).sum(axis=-1)
    influence = np.einsum("...pb,...p->...b", phases.influence, weights)
    # As wide as in the phase whose buckets are worth least.
    se = _se(influence, np.where(usable, widening, 0.0).max(axis=-1))
    known = total[..., 0] > 0
    return np.where(known, effect, np.nan), np.where(known, se, np.inf)


def design_effect(sums: npt.ArrayLike, counts: npt.ArrayLike, variance: float) -> float | None:
    """Give how many requests of users say as much as one independent one; at least 1.

    The variance of the mean over buckets of users against that of as many independent values (the
    design effect of Kish 1965). None where the buckets are worth too little to know it.

    Args:
        sums: (B,) the sum of a metric in each bucket.
        counts: (B,) how many values it is of.
        variance: the variance of one value.
    """
    se = float(clustered(sums, counts).se())
    n = float(np.asarray(counts, float).sum())
    if not np.isfinite(se) or not variance > 0:
        return None
    return max(1.0, se**2 * n / variance)


def worth_in_users(counts: npt.ArrayLike) -> Floats:
    """Give how many equally busy users as much can be learned from: (Σm)²/Σm² over users.

    Users fall into buckets at random, so Σm² is what buckets differ by, B/(B − 1)·Σ(n_b − n̄)² on
    average, whichever variant each user got. 0 where nothing was counted; at most Σn.

    Args:
        counts: (…, B) the requests in each bucket, of all variants.
    """
    n = np.asarray(counts, float)
    total, buckets = n.sum(axis=-1), n.shape[-1]
    spread = n.var(axis=-1, ddof=1) * buckets
    return np.where(total > 0, total**2 / np.maximum(spread, np.maximum(total, 1.0)), 0.0)


def _widening(worth: Floats, alpha: float = ALPHA) -> Floats:
    """Give what an se is widened by, as `Clustered.se` says; infinite below `ENOUGH_BUCKETS`."""
    freedom = np.maximum(worth - 1, 1.0)
    t = stdtrit(freedom, 1 - alpha / 2) / ndtri(1 - alpha / 2)
    return np.where(worth >= ENOUGH_BUCKETS, np.sqrt(worth / freedom) * t, np.inf)


def _se(influence: Floats, widening: Floats) -> Floats:
    """Give the standard error; infinite where no bucket moves anything."""
    with np.errstate(invalid="ignore"):
        se = np.sqrt(_sum_of_squares(influence)) * widening
    return np.where(se > 0, se, np.inf)


def _sum_of_squares(values: Floats) -> Floats:
    """Give Σx² along the last axis, without an array of squares."""
    return np.asarray(np.einsum("...b,...b->...", values, values))
