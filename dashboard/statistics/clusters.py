"""Clusters: means and shares whose unit is a user, from sums over hash buckets of users.

The delta method for a ratio of sums (Deng, Knoblich & Lu 2018, "Applying the delta method in metric
analytics", section 3.2), over buckets of users as in Kohavi, Tang & Xu 2020, "Trustworthy online
controlled experiments", chapter 18. Users are hashed into buckets by a salt of its own, so buckets
are independent and alike whatever single users do.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import t as student

BUCKETS = 128


def ratio(sums: npt.ArrayLike, counts: npt.ArrayLike) -> tuple[float, float]:
    """Give r = Σs/Σn and its standard error; (nan, inf) where nothing was counted.

    var r = B/(B − 1) · Σ(s_b − r·n_b)² / (Σn)², widened by t₀.₉₇₅ with B − 1 degrees of freedom
    over 1.96, for there are only B buckets to know the variance from.

    Args:
        sums: (B,) the sum of a metric in each bucket.
        counts: (B,) the requests in each bucket.
    """
    s, n = np.asarray(sums, float), np.asarray(counts, float)
    total = n.sum()
    if total <= 0:
        return math.nan, math.inf
    r = float(s.sum() / total)
    buckets = len(n)
    variance = buckets / (buckets - 1) * float(((s - r * n) ** 2).sum()) / float(total) ** 2
    widening = float(student.ppf(0.975, buckets - 1)) / float(ndtri(0.975))
    se = math.sqrt(variance) * widening
    return r, se if se > 0 else math.inf
