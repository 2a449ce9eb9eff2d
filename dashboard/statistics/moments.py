"""Moments: the difference of two arms, with the standard error that is honest under no effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics.always_valid import Floats

IsRate = bool | npt.NDArray[np.bool_]
"""Whether a metric is a rate: of each of several along the first axis, or of all."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, sum and sum of squares of a metric; arrays of one shape, additive in every way."""

    n: Floats
    total: Floats
    squares: Floats

    def mean(self) -> Floats:
        """Give the means, by definition Σx/n; nan where nothing was counted."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(self.total / self.n)

    def variance(self) -> Floats:
        """Give the unbiased variances, (Σx² − (Σx)²/n)/(n − 1); nan below two values.

        NIST/SEMATECH, "e-Handbook of statistical methods", section 1.3.5.6.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = (self.squares - self.total**2 / self.n) / (self.n - 1)
        return np.where(self.n > 1, np.maximum(found, 0.0), np.nan)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)


def difference(control: Moments, treatment: Moments, *, rate: IsRate) -> tuple[Floats, Floats]:
    """Give treatment − control and its standard error, elementwise.

    SE is the larger of the unpooled one and the pooled one under no effect (both in NIST/SEMATECH,
    "e-Handbook of statistical methods", section 1.3.5.3). To take the larger is our own choice: the
    unpooled is too small where one arm has seen few rare events. Where an arm has fewer than two
    values: (nan, inf).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        d = treatment.mean() - control.mean()
        unpooled = treatment.variance() / treatment.n + control.variance() / control.n
        both = control + treatment
        pooled_variance = np.where(rate, _rate_variance(both), both.variance())
        pooled = pooled_variance * (1 / treatment.n + 1 / control.n)
        se = np.sqrt(np.fmax(unpooled, pooled))
    usable = (treatment.n > 1) & (control.n > 1) & np.isfinite(se) & (se > 0)
    return np.where(usable, d, np.nan), np.where(usable, se, np.inf)


def log_ratio(control: Moments, treatment: Moments, *, rate: IsRate) -> tuple[Floats, Floats]:
    """Give ln(treatment / control) of the means and its standard error, by the delta method.

    Var ln x̄ ≈ Var x̄ / x̄² (Kohavi, Tang & Xu 2020, "Trustworthy online controlled experiments",
    chapter 18; Deng, Knoblich & Lu 2018, "Applying the delta method in metric analytics"). As
    `difference`, divided by the means: what a relative effect is read from. (nan, inf) where a mean
    is not positive.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        m0, m1 = control.mean(), treatment.mean()
        unpooled = treatment.variance() / (treatment.n * m1**2)
        unpooled = unpooled + control.variance() / (control.n * m0**2)
        both = control + treatment
        pooled_variance = np.where(rate, _rate_variance(both), both.variance())
        pooled = pooled_variance / both.mean() ** 2 * (1 / treatment.n + 1 / control.n)
        se, found = np.sqrt(np.fmax(unpooled, pooled)), np.log(m1 / m0)
    usable = (treatment.n > 1) & (control.n > 1) & np.isfinite(found) & np.isfinite(se) & (se > 0)
    return np.where(usable, found, np.nan), np.where(usable, se, np.inf)


def _rate_variance(both: Moments) -> Floats:
    """Give p(1 − p), where p = (x + ½)/(n + 1), so that no event at all is not taken for certainty.

    Our own use of the mean of the posterior under Jeffreys' prior, Beta(x + ½, n − x + ½); after
    Agresti & Caffo 2000, "Simple and effective confidence intervals for proportions and differences
    of proportions result from adding two successes and two failures", pages 280 to 288.
    """
    p = (both.total + 0.5) / (both.n + 1)
    return np.asarray(p * (1 - p))


def combine(effects: npt.ArrayLike, ses: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Combine the estimates of several phases by inverse variance, along the last axis.

    Fixed effect, weights 1/SE² (Borenstein, Hedges, Higgins & Rothstein 2009, "Introduction to
    meta-analysis", chapter 11, eq. 11.2). Phases are never pooled: a change of the weights while
    the world changes would mix times into arms (Simpson's paradox; Kohavi, Tang & Xu 2020, chapter
    3). (nan, inf) where no phase has one.
    """
    d, s = np.asarray(effects, float), np.asarray(ses, float)
    usable = np.isfinite(d) & np.isfinite(s)
    information = np.where(usable, 1 / np.where(usable, s, 1.0) ** 2, 0.0)
    total = information.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        combined = np.where(usable, d, 0.0) * information
        effect = combined.sum(axis=-1) / total
        se = 1 / np.sqrt(total)
    return np.where(total > 0, effect, np.nan), np.where(total > 0, se, np.inf)
