"""The fixed-horizon twins of the intervals: narrower, and valid only at the planned end.

Shown beside them for who wants to compare; no verdict reads them.
"""

from __future__ import annotations

import math

from scipy.special import ndtri, stdtrit

Interval = tuple[float, float]


def newcombe(x1: float, n1: float, x0: float, n0: float, alpha: float = 0.05) -> Interval:
    """Give the 1 − α interval of the rates' difference x1/n1 − x0/n0.

    The hybrid score interval of Newcombe 1998, "Interval estimation for the difference between
    independent proportions: comparison of eleven methods", method 10 (also Fagerland, Lydersen &
    Laake 2017, "Statistical analysis of contingency tables", chapter 4).
    """
    p1, p0 = x1 / n1, x0 / n0
    low1, high1 = wilson(x1, n1, alpha)
    low0, high0 = wilson(x0, n0, alpha)
    low = p1 - p0 - math.hypot(p1 - low1, high0 - p0)
    return low, p1 - p0 + math.hypot(high1 - p1, p0 - low0)


def wilson(x: float, n: float, alpha: float = 0.05) -> Interval:
    """Give the 1 − α score interval of one rate.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference", pages 209
    to 212 (also NIST/SEMATECH, "e-Handbook of statistical methods", section 7.2.4.1); without
    continuity correction.
    """
    z = float(ndtri(1 - alpha / 2))
    middle = (x + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(max(x * (n - x), 0.0) / n + z**2 / 4)
    return middle - half, middle + half


def normal_half_width(se: float, alpha: float = 0.05) -> float:
    """Give half the width of the 1 − α interval of an estimate that is normal, z₁₋α/₂ · SE.

    Wald's interval: of what phases were combined to, and of estimates over buckets of users, whose
    SE is widened for t already, so it is that of T(B − 1) (Cameron & Miller 2015, section VI; see
    `clusters`).
    """
    return float(ndtri(1 - alpha / 2)) * se


Arm = tuple[float, float, float]
"""Mean, variance and count of an arm."""


def welch(treatment: Arm, control: Arm, alpha: float = 0.05) -> Interval:
    """Give the 1 − α interval of the means' difference, unequal variances.

    Welch 1947, "The generalization of Student's problem when several different population variances
    are involved", pages 28 to 35; degrees of freedom by Satterthwaite 1946, "An approximate
    distribution of estimates of variance components", pages 110 to 114 (both also in NIST/SEMATECH,
    "e-Handbook of statistical methods", section 1.3.5.3). A variance of 0 in both arms gives a
    point.
    """
    (mean1, var1, n1), (mean0, var0, n0) = treatment, control
    a, b = var1 / n1, var0 / n0
    if a + b == 0:
        return mean1 - mean0, mean1 - mean0
    freedom = (a + b) ** 2 / (a**2 / (n1 - 1) + b**2 / (n0 - 1))
    half = float(stdtrit(freedom, 1 - alpha / 2)) * math.sqrt(a + b)
    return mean1 - mean0 - half, mean1 - mean0 + half
