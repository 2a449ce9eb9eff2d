"""Guardrails: a metric is harmed beyond its margin, proven safe, or neither is known yet.

One-sided and always valid, so a guardrail may be looked at each minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln, log_ndtr

from openfeature_triton.dashboard.statistics.always_valid import Floats, log_evidence
from openfeature_triton.dashboard.statistics.requiring import is_positive

PRIOR = 30.0
HARMED, SAFE, UNKNOWN = "harmed", "safe", "unknown"


class GuardrailError(ValueError):
    """A text that names no guardrails; says which part and what one looks like."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric and by how much the treatment may be worse than control, as a share (0.1 = 10 %)."""

    metric: str
    margin: float

    def __post_init__(self) -> None:
        """Raise GuardrailError where no such margin can be meant."""
        if not is_positive(self.margin):
            said = f"the margin of {self.metric} is {self.margin!r}, which is no share above 0"
            raise GuardrailError(f"{said} — write e.g. 0.1 for 10 %")


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """What is known of one guardrail: `harmed`, `safe` or `unknown`.

    `ratio` is treatment over control, None where it can't be told. More than 1 is worse: where more
    is better it is control over treatment, and of a success rate it is that of the errors.
    `p_harmed` and `p_safe` are always-valid one-sided p-values, None for quantiles, which are
    judged by their interval.
    """

    guardrail: Guardrail
    state: str
    ratio: float | None
    p_harmed: float | None
    p_safe: float | None


def parse_guardrails(text: str) -> tuple[Guardrail, ...]:
    """Read `"error_rate:10%, latency_p95:20%"`. Raises GuardrailError."""
    found, problems = read_guardrails(text)
    if problems:
        raise problems[0]
    return found


def read_guardrails(text: str) -> tuple[tuple[Guardrail, ...], tuple[GuardrailError, ...]]:
    """Read those guardrails that can be read, and say what is wrong with each of the others."""
    found, problems = [], []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            found.append(_parse_one(part))
        except GuardrailError as error:
            problems.append(error)
    return tuple(found), tuple(problems)


def _parse_one(part: str) -> Guardrail:
    metric, colon, margin = part.partition(":")
    digits = margin.strip().removesuffix("%").strip()
    try:
        share = float(digits) / 100
    except ValueError:
        share = math.nan
    if (
        not colon
        or not metric.strip()
        or not margin.strip().endswith("%")
        or not is_positive(share)
    ):
        raise GuardrailError(f"{part!r} is no guardrail — write e.g. error_rate:10%")
    return Guardrail(metric.strip(), share)


def judge(
    guardrail: Guardrail, ratio: float | None, harm: float, safety: float, alpha: float
) -> GuardrailResult:
    """Judge a guardrail by the highest evidence (ln e) so far for harm and for safety.

    By Ville's inequality e reaches 1/α with a chance of at most α (Howard et al. 2021, lemma 2).
    """
    limit = math.log(1 / alpha)
    state = HARMED if harm >= limit else SAFE if safety >= limit else UNKNOWN
    p_harmed, p_safe = (math.exp(-max(0.0, each)) for each in (harm, safety))
    return GuardrailResult(guardrail, state, ratio, p_harmed, p_safe)


def judge_interval(
    guardrail: Guardrail, ratio: float | None, low: float, high: float
) -> GuardrailResult:
    """Judge a guardrail by an interval of the ratio in which more is worse."""
    limit = 1 + guardrail.margin
    state = HARMED if low > limit else SAFE if high < limit else UNKNOWN
    return GuardrailResult(guardrail, state, ratio, None, None)


def log_event_evidence(
    treated: npt.ArrayLike, control: npt.ArrayLike, weights: tuple[float, float], margin: float
) -> tuple[Floats, Floats]:
    """Give ln e for harm, and for safety, of a rate of rare events, from the events alone.

    Given x events in all, the treatment's number is binomial with the share θ. At a rate ratio of
    1 + m, θ₀ = w_T(1 + m) / (w_T(1 + m) + w_C). Harm is θ > θ₀, safety θ < θ₀, each tested by a
    mixture over Beta(30θ₀, 30(1 − θ₀)) truncated to that side (the one-sided beta-binomial mixture
    of Howard et al. 2021, proposition 8; for two counts Lindon & Malek 2022, section 2): ∫ LR(θ)
    over that side is the whole Beta integral times the posterior's share of it over the prior's.
    With phases, give each phase's events and add the results.

    Args:
        treated: events of the treatment, any shape.
        control: events of control, of the same shape.
        weights: (w_T, w_C), any scale.
        margin: m, a share.
    """
    x1, x0 = np.asarray(treated, float), np.asarray(control, float)
    w1, w0 = weights
    if w1 <= 0 or w0 <= 0:
        return np.zeros(x1.shape), np.zeros(x1.shape)
    theta0 = w1 * (1 + margin) / (w1 * (1 + margin) + w0)
    a, b = PRIOR * theta0, PRIOR * (1 - theta0)
    whole = betaln(a + x1, b + x0) - betaln(a, b)
    whole = whole - x1 * math.log(theta0) - x0 * math.log1p(-theta0)
    above = _log_tail(b + x0, a + x1, 1 - theta0) - _log_tail(b, a, 1 - theta0)
    below = _log_tail(a + x1, b + x0, theta0) - _log_tail(a, b, theta0)
    return np.asarray(whole + above), np.asarray(whole + below)


def log_shift_evidence(
    effect: npt.ArrayLike, se: npt.ArrayLike, margin: float, tau: float
) -> tuple[Floats, Floats]:
    """Give ln e for an effect above `margin`, and for one below it, from a normal estimate.

    The mixture of `always_valid` with half a normal (Howard et al. 2021, proposition 6, the
    one-sided normal mixture): e₊ = 2·Φ(z·√(g/(1 + g)))·e, where z is that of the distance from the
    margin.

    Args:
        effect: estimates, any shape, in which more is worse; 0 evidence where nan.
        se: standard errors.
        margin: in the same unit.
        tau: the mixture's scale.
    """
    d, s = np.asarray(effect, float) - margin, np.asarray(se, float)
    usable = np.isfinite(d) & np.isfinite(s) & (s > 0)
    d, s = np.where(usable, d, 0.0), np.where(usable, s, 1.0)
    whole = log_evidence(d, s, tau)
    g = (tau / s) ** 2
    z = d / s * np.sqrt(g / (1 + g))
    harm, safety = (whole + math.log(2) + log_ndtr(sign * z) for sign in (1, -1))
    return np.where(usable, harm, 0.0), np.where(usable, safety, 0.0)


def _log_tail(a: npt.ArrayLike, b: npt.ArrayLike, x: float) -> Floats:
    """Give ln I_x(a, b); far out, where it underflows, its leading term.

    x^a(1 − x)^b / (a·B(a, b)), from NIST's "Digital library of mathematical functions", section
    8.17(ii).
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    tail = betainc(first, second, x)
    leading = first * math.log(x) + second * math.log1p(-x) - np.log(first)
    leading = leading - betaln(first, second)
    with np.errstate(divide="ignore"):
        return np.where(tail > 0, np.log(np.where(tail > 0, tail, 1.0)), leading)
