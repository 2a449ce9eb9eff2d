"""Clusters: means and shares whose unit is a user, from sums over hash buckets of users.

Requests of one user resemble each other, so what counts as independent are buckets of users. A mean
is a ratio of sums, r = Σs/Σn, and a bucket moves it by (s_b − r·n_b)/Σn: the delta method for a
ratio, over buckets of users (Kohavi, Tang & Xu 2020, "Trustworthy online controlled experiments",
chapter 18; Deng, Knoblich & Lu 2018, "Applying the delta method in metric analytics: a practical
guide with novel ideas"). Users are hashed into buckets by a salt of its own, so buckets are
independent and alike whatever single users do. What few or unequal buckets cost is after Cameron &
Miller 2015, "A practitioner's guide to cluster-robust inference", sections II and VI.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from openfeature_triton.dashboard.statistics.always_valid import ALPHA, Floats

BUCKETS = 128
ENOUGH_BUCKETS = 20.0
"""How many equally busy buckets of the smaller arm make a variance worth anything.

Below 20 tests are of another size than they say (Cameron & Miller 2015, section VI.D).
"""


@dataclass(frozen=True, slots=True)
class Clustered:
    """Estimates (…, m), their covariance (…, m, m), and how many buckets each is worth (…, m)."""

    value: Floats
    covariance: Floats
    worth: Floats

    def apart(self) -> Clustered:
        """Give treatment − control (…, m/2) of estimates that are of the two in turn.

        It is worth what the smaller arm is.
        """
        pairs = self.value.shape[-1] // 2
        cov = self.covariance.reshape(*self.covariance.shape[:-2], pairs, 2, pairs, 2)
        return Clustered(
            self.value[..., 1::2] - self.value[..., ::2],
            (cov[..., 1, :, 1] - cov[..., 1, :, 0]) - (cov[..., 0, :, 1] - cov[..., 0, :, 0]),
            np.minimum(self.worth[..., 1::2], self.worth[..., ::2]),
        )

    def ln(self) -> Clustered:
        """Give the logarithms; nan where a value is not positive.

        By the delta method, cov(ln r, ln r′) = cov(r, r′)/(r·r′) (Kohavi, Tang & Xu 2020, chapter
        18).
        """
        known = self.value > 0
        value = np.where(known, self.value, np.nan)
        slope = np.where(known, 1 / value, 0.0)
        covariance = self.covariance * slope[..., None] * slope[..., None, :]
        return Clustered(np.log(value), covariance, self.worth)

    def se(self) -> Floats:
        """Give the standard errors; infinite below `ENOUGH_BUCKETS`."""
        return _se(self._variance(), widening(self.worth))

    def combined(self, wider: Floats) -> tuple[Floats, Floats]:
        """Combine phases, the last axis, by inverse variance: effect and standard error (…).

        Weights as in `moments.combine` (Borenstein et al. 2009, eq. 11.2). Estimates are not
        independent, for the same users come back: the variance is wᵀVw, by the covariance that
        `clustered` gives (Cameron & Miller 2015, section II.C). (nan, inf) where no phase has an
        estimate.

        Args:
            wider: what `widening` gives of what they are worth.
        """
        ses = _se(self._variance(), wider)
        usable = np.isfinite(ses) & np.isfinite(self.value)
        information = np.where(usable, 1 / np.where(usable, ses, 1.0) ** 2, 0.0)
        total = information.sum(axis=-1, keepdims=True)
        weights = information / np.where(total > 0, total, 1.0)
        effect = (np.where(usable, self.value, 0.0) * weights).sum(axis=-1)
        variance = np.einsum("...p,...pq,...q->...", weights, self.covariance, weights)
        # As wide as in the phase whose buckets are worth least.
        se = _se(variance, np.where(usable, wider, 0.0).max(axis=-1))
        known = total[..., 0] > 0
        return np.where(known, effect, np.nan), np.where(known, se, np.inf)

    def _variance(self) -> Floats:
        return np.diagonal(self.covariance, axis1=-2, axis2=-1)


def clustered(sums: Iterable[npt.ArrayLike], counts: npt.ArrayLike) -> Clustered:
    """Give r = Σs/Σn of each of several metrics (metrics, …, m); nan where nothing was counted.

    cov(r, r′) = Σ(s_b − r·n_b)(s′_b − r′·n′_b) / (Σn·Σn′), the sandwich of Liang & Zeger 1986
    (Cameron & Miller 2015, section II.C, eq. 10 and 11, where x is which mean a request is of).

    Args:
        sums: of each metric its sum in each bucket (…, m, B).
        counts: how many values these are of (…, m, B), the same for all metrics.
    """
    n = np.asarray(counts, float)
    total = n.sum(axis=-1)
    per_count = np.where(total > 0, 1 / np.where(total > 0, total, 1.0), 0.0)
    means, covariances = [], []
    for each in sums:
        s = np.asarray(each, float)
        r = s.sum(axis=-1) * per_count
        moved = r[..., None] * n
        np.subtract(s, moved, out=moved)  # in place, for it is large
        means.append(np.where(total > 0, r, np.nan))
        covariances.append(np.einsum("...ib,...jb->...ij", moved, moved))
    scale = per_count[..., None] * per_count[..., None, :]
    return Clustered(np.stack(means), np.stack(covariances) * scale, worth(n))


def worth(counts: npt.ArrayLike) -> Floats:
    """Give how many equally busy buckets as much can be learned from: (Σn)²/Σn².

    The effective number of clusters, B/(1 + CV²), of Carter, Schnepel & Steigerwald 2017 (Cameron &
    Miller 2015, section VI.D, eq. 27), where a bucket of many users adds to the variance as its
    requests: Kish's effective sample size of unequal weights. It knows how busy users are, and
    nothing of how they fared.

    Args:
        counts: (…, B) the requests in each bucket.
    """
    n = np.asarray(counts, float)
    squares = _sum_of_squares(n)
    return np.where(squares > 0, n.sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)


def widening(worth: Floats) -> Floats:
    """Give by how much the SE over buckets is widened; infinite below `ENOUGH_BUCKETS`.

    √(B/(B − 1)), times t₁₋α/₂ with B − 1 degrees of freedom over z₁₋α/₂, for there are only B
    buckets to know it from (Cameron & Miller 2015, section II.C, eq. 12, and section VI). B is what
    the buckets are worth: a few busy users make a few buckets count for all.
    """
    freedom = np.maximum(worth - 1, 1.0)
    t = stdtrit(freedom, 1 - ALPHA / 2) / ndtri(1 - ALPHA / 2)
    return np.where(worth >= ENOUGH_BUCKETS, np.sqrt(worth / freedom) * t, np.inf)


def design_effect(sums: npt.ArrayLike, counts: npt.ArrayLike, variance: float) -> float | None:
    """Give how many requests of users say as much as one independent one; at least 1.

    The variance of the mean over buckets of users against that of as many independent values, σ²/n
    (Kish's design effect; Cameron & Miller 2015, section II.B, where eq. 6 has it from the
    correlation within clusters). None where the buckets are worth too little to know it.

    Args:
        sums: (B,) the sum of a metric in each bucket.
        counts: (B,) how many values it is of.
        variance: the variance of one value.
    """
    s, n_b = (np.asarray(each, float)[None] for each in (sums, counts))
    se, n = float(clustered([s], n_b).se().item()), float(n_b.sum())
    if not np.isfinite(se) or not variance > 0:
        return None
    return max(1.0, se**2 * n / variance)


def worth_in_users(counts: npt.ArrayLike) -> Floats:
    """Give how many equally busy users as much can be learned from: (Σm)²/Σm² over users.

    Our own derivation: users fall into buckets at random, each with its m requests, so n_b has the
    variance Σm²·(1/B)(1 − 1/B), and Σm² is B/(B − 1)·Σ(n_b − n̄)² on average, whichever variant each
    user got. 0 where nothing was counted; at most Σn.

    Args:
        counts: (…, B) the requests in each bucket, of all variants.
    """
    n = np.asarray(counts, float)
    total, buckets = n.sum(axis=-1), n.shape[-1]
    spread = (_sum_of_squares(n) - total**2 / buckets) * buckets / (buckets - 1)
    return np.where(total > 0, total**2 / np.maximum(spread, np.maximum(total, 1.0)), 0.0)


def _se(variance: Floats, wider: Floats) -> Floats:
    """Give the SE, widened as `widening` says; infinite where no bucket moves anything."""
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.maximum(variance, 0.0)) * wider
    return np.where(se > 0, se, np.inf)


def _sum_of_squares(values: Floats) -> Floats:
    """Give Σx² along the last axis, without an array of squares."""
    return np.asarray(np.einsum("...b,...b->...", values, values))
