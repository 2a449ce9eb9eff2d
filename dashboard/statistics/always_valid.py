"""Always-valid inference for a normal effect estimate: holds however often one looks.

The mixture sequential probability ratio test (Johari, Koomen, Pekelis & Walsh 2022, "Always valid
inference: continuous monitoring of A/B tests", section 5 in the version of 2019), which is the
two-sided normal mixture of Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", section 3 (their V/ρ is our g; numbers are those of version 9
on arXiv): the effect under the alternative is N(0, τ²), the estimate is N(effect, SE²). With
g = (τ/SE)² and z = d/SE, the evidence against no effect is

    e = (1 + g)^(−1/2) · exp(z²/2 · g/(1 + g)).

Under no effect e is a non-negative martingale that starts at 1, so by Ville's inequality the chance
that it ever reaches 1/α is at most α (their lemma 2).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
POWER = 0.8


def planned_g(alpha: float = ALPHA) -> float:
    """Give the g that makes the interval narrowest: −2 ln α + ln(1 − 2 ln α), 7.94 for α = 0.05.

    The optimum is −W₋₁(−α²/e) − 1 (Howard et al. 2021, proposition 3), where 1 + g is a root of
    x = 1 − 2 ln α + ln x. This is one step of that, from x = 1 − 2 ln α.
    """
    return -2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))


def mixture_scale(minimum_effect: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """Give τ from the *planned* effect, in its unit, so that g is optimal when the plan is reached.

    At the planned end the standard error is minimum_effect / (z₁₋α/₂ + z_power): the sample size
    of `planner`, solved for it. The tuning to one time is that of Howard et al. 2021, section 3.5.
    """
    planned_se = abs(minimum_effect) / (ndtri(1 - alpha / 2) + ndtri(power))
    return math.sqrt(planned_g(alpha)) * float(planned_se)


def log_evidence(effect: npt.ArrayLike, se: npt.ArrayLike, tau: float) -> Floats:
    """Give ln e of estimates against no effect; 0 where the standard error is not finite.

    The normal mixture of Johari et al. 2022, section 5, and of Howard et al. 2021, lemma 2.

    Args:
        effect: estimates, any shape.
        se: their standard errors, > 0, in the same unit and shape.
        tau: the mixture's scale, in the same unit.
    """
    d, s = np.asarray(effect, float), np.asarray(se, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        g = (tau / s) ** 2
        found = -0.5 * np.log1p(g) + 0.5 * (d / s) ** 2 * g / (1 + g)
    return np.where(np.isfinite(s) & (s > 0), found, 0.0)


def half_width(se: npt.ArrayLike, tau: float, alpha: float = ALPHA) -> Floats:
    """Give half the width of the always-valid 1 − α interval around an estimate.

    SE · √[(1 + 1/g)(ln(1 + g) + 2 ln(1/α))]: the effects d₀ with e(d − d₀) < 1/α (Howard et al.
    2021, eq. 14). Infinite where the standard error is.
    """
    s = np.asarray(se, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        width = s * factor((tau / s) ** 2, alpha)
    return np.where(np.isfinite(s) & (s > 0), width, np.inf)


def factor(g: npt.ArrayLike, alpha: float = ALPHA) -> Floats:
    """Give what takes the place of 1.96 in an always-valid interval, for g = (τ/SE)².

    Howard et al. 2021, eq. 14, over √V.
    """
    ratio = np.asarray(g, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt((1 + 1 / ratio) * (np.log1p(ratio) + 2 * math.log(1 / alpha))))


def running_p(log_e: npt.ArrayLike) -> Floats:
    """Give the always-valid p-value after each look: the least of min(1, 1/e) so far.

    Johari et al. 2022, section 5; that it holds at any time is lemma 3 of Howard et al. 2021.

    Args:
        log_e: ln e at each look, in the order of time along the first axis.
    """
    highest = np.maximum.accumulate(np.maximum(np.asarray(log_e, float), 0.0), axis=0)
    return np.asarray(np.exp(-highest))
