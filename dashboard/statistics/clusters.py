"""Clusters: means and shares whose unit is a user, from sums over hash buckets of users.

The delta method for a ratio of sums (Deng, Knoblich & Lu 2018, "Applying the delta method in metric
analytics", section 3.2), over buckets of users as in Kohavi, Tang & Xu 2020, "Trustworthy online
controlled experiments", chapter 18. Users are hashed into buckets by a salt of its own, so buckets
are independent and alike whatever single users do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import t as student

from openfeature_triton.dashboard.statistics.always_valid import Floats

BUCKETS = 128


def ratio(sums: npt.ArrayLike, counts: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Give r = Σs/Σn and its standard error; (nan, inf) where nothing was counted.

    var r = B/(B − 1) · Σ(s_b − r·n_b)² / (Σn)², widened by t₀.₉₇₅ with B − 1 degrees of freedom
    over 1.96, for there are only B buckets to know the variance from.

    Args:
        sums: (…, B) the sum of a metric in each bucket.
        counts: (…, B) the requests in each bucket.
    """
    s, n = np.asarray(sums, float), np.asarray(counts, float)
    total, buckets = n.sum(axis=-1), n.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        r = s.sum(axis=-1) / total
        spread = ((s - r[..., None] * n) ** 2).sum(axis=-1)
        se = np.sqrt(buckets / (buckets - 1) * spread) / total * _widening(buckets)
    return np.asarray(r), np.where((total > 0) & (se > 0), se, np.inf)


def _widening(buckets: int) -> float:
    return float(student.ppf(0.975, buckets - 1)) / float(ndtri(0.975))
