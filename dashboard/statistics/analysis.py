"""Analysis: everything that is known of an experiment, from merged rollups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openfeature_triton.dashboard.statistics import fixed_horizon, guardrails, verdict, wording
from openfeature_triton.dashboard.statistics.always_valid import (
    Floats,
    half_width,
    log_evidence,
    mixture_scale,
    running_p,
)
from openfeature_triton.dashboard.statistics.guardrails import Guardrail, GuardrailResult
from openfeature_triton.dashboard.statistics.holm import adjusted
from openfeature_triton.dashboard.statistics.moments import Moments, combine, difference, log_ratio
from openfeature_triton.dashboard.statistics.planner import days_left
from openfeature_triton.dashboard.statistics.quantiles import (
    Ratio,
    quantile_factor,
    quantile_interval,
    quantile_ratio,
)
from openfeature_triton.dashboard.statistics.rollups import (
    ERROR_RATE,
    LATENCY,
    RATES,
    SUCCESS_RATE,
    Cumulative,
    Plan,
    Slice,
    accumulate,
)
from openfeature_triton.dashboard.statistics.split import ALARM, log_split_evidence
from openfeature_triton.hooks import schema

QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
DEFAULT_RATE_EFFECT, DEFAULT_RELATIVE_EFFECT = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment − control with its always-valid interval; None where it can't be told yet.

    In the metric's unit; for `latency` and its quantiles all are shares (−0.1: 10 % less). The
    `relative_…` are shares of control. `fixed_low` and `fixed_high` hold only at the planned end.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    fixed_low: float | None = None
    fixed_high: float | None = None


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric of a variant against control: both values, the effect, and what it means.

    Latencies are in ms (`latency`: the geometric mean). `p_value` is always valid, None for
    quantiles. `state` is better, worse or undecided.
    """

    metric: str
    control: float | None
    treatment: float | None
    effect: Effect
    p_value: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Step:
    """The primary effect as it stood at the end of one slice."""

    index: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One variant against control. `p_value` is the primary metric's, by Holm over the variants."""

    variant: str
    requests: int
    primary: MetricResult
    metrics: tuple[MetricResult, ...]
    guardrails: tuple[GuardrailResult, ...]
    p_value: float
    verdict: verdict.Verdict
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Exposures of each variant against its share by weight; broken where p is below 0.001."""

    counts: Mapping[str, int]
    shares: Mapping[str, float]
    p_value: float
    broken: bool


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of an experiment. `verdict` is that of the whole."""

    verdict: verdict.Verdict
    split: SplitResult
    requests: int
    planned_requests: int | None
    days_left: float | None
    variants: tuple[VariantResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON can hold; what is not known is None."""
        return dict(asdict(self))


def summarize(
    slices: Iterable[Slice], plan: Plan, *, requests_per_day: float | None = None
) -> Analysis:
    """Analyse merged rollups: split, effects, guardrails and a verdict that holds at every look.

    Args:
        slices: summed fields by slice of time, phase and variant, in any order.
        plan: what was decided beforehand.
        requests_per_day: the present traffic, for the days that are left.
    """
    sums = accumulate(slices, plan.control)
    split = _split(sums, plan)
    requests = _requests(sums)
    total = sum(requests.values())
    left = None
    if plan.planned_requests is not None and requests_per_day is not None:
        left = days_left(plan.planned_requests, total, requests_per_day)
    treatments = [variant for variant in sums.variants if variant != plan.control]
    primaries = [_primary(sums, plan, variant) for variant in treatments]
    p_values = adjusted([primary.p_value or 0.0 for primary, _ in primaries])
    variants = tuple(
        _variant(
            sums,
            plan,
            primary,
            variant=variant,
            steps=steps,
            p_value=p_value,
            left=left,
            split=split,
        )
        for variant, (primary, steps), p_value in zip(treatments, primaries, p_values, strict=True)
    )
    whole = verdict.overall([each.verdict for each in variants])
    if split.broken:
        whole = verdict.broken(dict(split.counts), dict(split.shares), split.p_value)
    return Analysis(whole, split, total, plan.planned_requests, left, variants)


def _variant(
    sums: Cumulative,
    plan: Plan,
    primary: MetricResult,
    *,
    variant: str,
    steps: tuple[Step, ...],
    p_value: float,
    left: float | None,
    split: SplitResult,
) -> VariantResult:
    requests = _requests(sums)
    effect = primary.effect
    decided = primary.state if p_value <= plan.alpha else verdict.UNDECIDED
    judged = tuple(_guardrail(sums, plan, variant, each) for each in plan.guardrails)
    found = verdict.Evidence(
        variant=variant,
        primary=decided,
        effect=wording.effect_in_words(
            variant, plan.primary_metric, effect.value, effect.low, effect.high
        ),
        guardrails=judged,
        events=float(_rarer_events(sums, plan.primary_metric, plan, variant)[-1]),
        requests=sum(requests.values()),
        planned_requests=plan.planned_requests,
        days_left=left,
    )
    outcome = verdict.judge(found)
    if split.broken:
        outcome = verdict.broken(dict(split.counts), dict(split.shares), split.p_value)
    return VariantResult(
        variant=variant,
        requests=requests[variant],
        primary=primary,
        metrics=_all_metrics(sums, plan, variant),
        guardrails=judged,
        p_value=p_value,
        verdict=outcome,
        steps=steps,
    )


def _split(sums: Cumulative, plan: Plan) -> SplitResult:
    exposures = sums.of(schema.EXPOSURES)
    log_e = np.zeros(len(sums.slices))
    expected = np.zeros(len(sums.variants))
    for row, phase in enumerate(sums.phases):
        named = plan.weights.get(phase, {})
        weights = np.array([float(named.get(variant, 0.0)) for variant in sums.variants])
        if weights.sum() <= 0:
            continue
        log_e = log_e + log_split_evidence(exposures[:, row, :], weights)
        expected += weights / weights.sum() * exposures[-1, row, :].sum()
    counts = exposures[-1].sum(axis=0) if len(sums.slices) else expected
    p_value = float(running_p(log_e)[-1]) if len(log_e) else 1.0
    total = expected.sum()
    return SplitResult(
        counts={v: int(n) for v, n in zip(sums.variants, counts, strict=True)},
        shares={
            v: float(e / total) if total else 0.0
            for v, e in zip(sums.variants, expected, strict=True)
        },
        p_value=p_value,
        broken=p_value < ALARM,
    )


def _requests(sums: Cumulative) -> dict[str, int]:
    if not sums.slices:
        return dict.fromkeys(sums.variants, 0)
    return {
        variant: int(n)
        for variant, n in zip(sums.variants, sums.of(schema.REQUESTS)[-1].sum(axis=0), strict=True)
    }


def _primary(sums: Cumulative, plan: Plan, variant: str) -> tuple[MetricResult, tuple[Step, ...]]:
    """Give the primary metric's result, and how its effect developed."""
    metric = plan.primary_metric
    if metric in QUANTILES:
        result = _quantile(sums, plan, variant, metric)
        return result, ()
    effects, ses, _ = _estimates(sums, metric, variant)
    tau = _tau(plan, metric, sums)
    widths = half_width(ses, tau, plan.alpha)
    steps = tuple(
        Step(index, *_ends(metric, float(d), float(w)))
        for index, d, w in zip(sums.slices, effects, widths, strict=True)
    )
    return _metric(sums, plan, variant, metric), steps


def _estimates(
    sums: Cumulative, metric: str, variant: str
) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """Give effect and SE at each slice, and the log ratio and its SE at the end; phases combined.

    For latency the effect is that of the ln: a log ratio of geometric means.
    """
    moments = sums.moments(metric)
    column = sums.variants.index(variant)
    control, treatment = _arm(moments, 0), _arm(moments, column)
    rate = metric in RATES
    effect, se = combine(*difference(control, treatment, rate=rate))
    if metric == LATENCY:
        return effect, se, (effect[-1:], se[-1:])
    return effect, se, combine(*log_ratio(control, treatment, rate=rate))


def _arm(moments: Moments, column: int) -> Moments:
    return Moments(moments.n[..., column], moments.total[..., column], moments.squares[..., column])


def _metric(sums: Cumulative, plan: Plan, variant: str, metric: str) -> MetricResult:
    if not sums.slices:
        return MetricResult(metric, None, None, Effect(), 1.0, verdict.UNDECIDED)
    effects, ses, (ratio, ratio_se) = _estimates(sums, metric, variant)
    tau = _tau(plan, metric, sums)
    known = _rarer_events(sums, metric, plan, variant) >= verdict.ENOUGH_EVENTS
    log_e = np.where(known, log_evidence(np.nan_to_num(effects), ses, tau), 0.0)
    p_value = float(running_p(log_e)[-1])
    d, width = float(effects[-1]), float(half_width(ses[-1], tau, plan.alpha))
    value, low, high = _ends(metric, d, width)
    relative_width = float(half_width(ratio_se[-1], _relative_tau(plan, metric, sums), plan.alpha))
    share, share_low, share_high = _ends(LATENCY, float(ratio[-1]), relative_width)
    state = verdict.UNDECIDED
    if p_value <= plan.alpha and math.isfinite(d):
        improved = (d < 0) == plan.improves_downwards(metric)
        state = verdict.BETTER if improved else verdict.WORSE
    control, treatment = (_value(sums, metric, each) for each in (plan.control, variant))
    fixed_low, fixed_high = _fixed(sums, plan, variant, metric)
    effect = Effect(value, low, high, share, share_low, share_high, fixed_low, fixed_high)
    return MetricResult(metric, control, treatment, effect, p_value, state)


def _ends(metric: str, d: float, width: float) -> tuple[float | None, float | None, float | None]:
    """Give an effect and its interval; latency's as shares, from the ln."""
    if not math.isfinite(d):
        return None, None, None
    ends = (d, d - width, d + width)
    if metric == LATENCY:
        ends = (math.expm1(d), math.expm1(max(ends[1], -700.0)), math.expm1(min(ends[2], 700.0)))
    if not math.isfinite(width):
        return ends[0], None, None
    return ends


def _fixed(
    sums: Cumulative, plan: Plan, variant: str, metric: str
) -> tuple[float | None, float | None]:
    """Give the fixed-horizon interval of the single phase there is; None over several."""
    if len(sums.phases) != 1:
        return None, None
    moments = sums.moments(metric)
    control, treatment = (_arm(moments, sums.variants.index(v)) for v in (plan.control, variant))
    (n1, s1), (n0, s0) = (
        (float(arm.n[-1, 0]), float(arm.total[-1, 0])) for arm in (treatment, control)
    )
    if n1 < 2 or n0 < 2:
        return None, None
    if metric in RATES:
        return fixed_horizon.newcombe(s1, n1, s0, n0, plan.alpha)
    var1, var0 = float(treatment.variance()[-1, 0]), float(control.variance()[-1, 0])
    low, high = fixed_horizon.welch((s1 / n1, var1, n1), (s0 / n0, var0, n0), plan.alpha)
    return (math.expm1(low), math.expm1(high)) if metric == LATENCY else (low, high)


def _value(sums: Cumulative, metric: str, variant: str) -> float | None:
    """Give a metric of a variant over all phases; latency's is the geometric mean in ms."""
    moments = _arm(sums.moments(metric), sums.variants.index(variant))
    n = float(moments.n[-1].sum())
    if n <= 0:
        return None
    mean = float(moments.total[-1].sum()) / n
    return math.exp(mean) if metric == LATENCY else mean


def _tau(plan: Plan, metric: str, sums: Cumulative) -> float:
    """Give the mixture's scale for a metric: from the plan where it is the primary one."""
    if metric == plan.primary_metric and plan.minimum_effect:
        effect = math.log1p(plan.minimum_effect) if metric == LATENCY else plan.minimum_effect
        return mixture_scale(effect, plan.alpha, plan.power)
    if metric in RATES:
        return mixture_scale(DEFAULT_RATE_EFFECT, plan.alpha, plan.power)
    if metric == LATENCY:
        return mixture_scale(math.log1p(DEFAULT_RELATIVE_EFFECT), plan.alpha, plan.power)
    control = abs(_value(sums, metric, plan.control) or 1.0)
    return mixture_scale(DEFAULT_RELATIVE_EFFECT * control, plan.alpha, plan.power)


def _relative_tau(plan: Plan, metric: str, sums: Cumulative) -> float:
    """Give the scale of the log ratio: that of the effect, over control's value."""
    if metric == LATENCY:
        return _tau(plan, metric, sums)
    control = abs(_value(sums, metric, plan.control) or 0.0)
    tau = _tau(plan, metric, sums)
    return tau / control if control > 0 else tau


def _all_metrics(sums: Cumulative, plan: Plan, variant: str) -> tuple[MetricResult, ...]:
    """Give every metric that was recorded, the primary one first."""
    named = dict.fromkeys((plan.primary_metric, SUCCESS_RATE, LATENCY, *QUANTILES))
    named |= dict.fromkeys(sums.custom_metrics())
    if plan.primary_metric == ERROR_RATE:
        del named[SUCCESS_RATE]
    return tuple(
        _quantile(sums, plan, variant, metric)
        if metric in QUANTILES
        else _metric(sums, plan, variant, metric)
        for metric in named
    )


def _quantile(sums: Cumulative, plan: Plan, variant: str, metric: str) -> MetricResult:
    found = _quantile_ratio(sums, plan, variant, metric, plan.alpha)
    if found is None:
        return MetricResult(metric, None, None, Effect(), None, verdict.UNDECIDED)
    control_ms, treatment_ms, ratio = found
    shares = ratio.value - 1, ratio.low - 1, ratio.high - 1
    state = (
        verdict.BETTER if shares[2] < 0 else verdict.WORSE if shares[1] > 0 else verdict.UNDECIDED
    )
    return MetricResult(metric, control_ms, treatment_ms, Effect(*shares, *shares), None, state)


def _quantile_ratio(
    sums: Cumulative, plan: Plan, variant: str, metric: str, alpha: float
) -> tuple[float, float, Ratio] | None:
    if not sums.slices:
        return None
    arms = []
    for name in (plan.control, variant):
        held = sums.counts[sums.variants.index(name)]
        planned = plan.planned_requests and plan.planned_requests / len(sums.variants)
        c = quantile_factor(max(1.0, float(held.sum())), planned, alpha)
        arms.append(quantile_interval(sums.bins, held, QUANTILES[metric], c))
    ratio = quantile_ratio(*arms)
    if ratio is None or arms[0] is None or arms[1] is None:
        return None
    return arms[0][0], arms[1][0], ratio


def _guardrail(sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail) -> GuardrailResult:
    if not sums.slices:
        return GuardrailResult(guardrail, guardrails.UNKNOWN, None, None, None)
    if guardrail.metric in QUANTILES:
        found = _quantile_ratio(sums, plan, variant, guardrail.metric, 2 * plan.alpha)
        if found is None:
            return GuardrailResult(guardrail, guardrails.UNKNOWN, None, None, None)
        ratio = found[2]
        return guardrails.judge_interval(guardrail, ratio.value, ratio.low, ratio.high)
    if guardrail.metric in RATES:
        return _rate_guardrail(sums, plan, variant, guardrail)
    return _mean_guardrail(sums, plan, variant, guardrail)


def _rate_guardrail(
    sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail
) -> GuardrailResult:
    """Judge errors by their share; each phase's evidence is added, as its weights are its own."""
    errors = sums.of(schema.ERRORS)
    column = sums.variants.index(variant)
    harm, safety = np.zeros(len(sums.slices)), np.zeros(len(sums.slices))
    for row, phase in enumerate(sums.phases):
        weights = plan.weights.get(phase, {})
        pair = float(weights.get(variant, 0.0)), float(weights.get(plan.control, 0.0))
        found = guardrails.log_event_evidence(
            errors[:, row, column], errors[:, row, 0], pair, guardrail.margin
        )
        harm, safety = harm + found[0], safety + found[1]
    control, treatment = (_value(sums, ERROR_RATE, each) for each in (plan.control, variant))
    ratio = treatment / control if control and treatment is not None else None
    return guardrails.judge(guardrail, ratio, float(harm.max()), float(safety.max()), plan.alpha)


def _mean_guardrail(
    sums: Cumulative, plan: Plan, variant: str, guardrail: Guardrail
) -> GuardrailResult:
    """Judge a mean by its log ratio to control, in the direction in which more is worse."""
    _, _, (ratio, se) = _estimates(sums, guardrail.metric, variant)
    sign = 1.0 if plan.improves_downwards(guardrail.metric) else -1.0
    tau = mixture_scale(math.log1p(guardrail.margin), plan.alpha, plan.power)
    harm, safety = guardrails.log_shift_evidence(
        sign * ratio, se, math.log1p(guardrail.margin), tau
    )
    d = sign * float(ratio[-1])
    return guardrails.judge(
        guardrail,
        math.exp(d) if math.isfinite(d) else None,
        float(harm.max()),
        float(safety.max()),
        plan.alpha,
    )


def _rarer_events(sums: Cumulative, metric: str, plan: Plan, variant: str) -> Floats:
    """Give, at each slice, how often the rarer outcome is expected in the smaller arm.

    For a metric that is no rate, how many values the smaller arm has.
    """
    moments = sums.moments(LATENCY if metric in QUANTILES else metric)
    control, treatment = (
        _arm(moments, sums.variants.index(name)) for name in (plan.control, variant)
    )
    n0, n1 = control.n.sum(axis=1), treatment.n.sum(axis=1)
    smaller = np.minimum(n0, n1)
    if metric not in RATES:
        return np.asarray(smaller)
    both = np.maximum(n0 + n1, 1)
    share = (control.total + treatment.total).sum(axis=1) / both
    return np.asarray(smaller * np.minimum(share, 1 - share))
