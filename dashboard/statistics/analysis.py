"""Analysis: everything that is known of an experiment, from merged rollups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openfeature_triton.dashboard.statistics import verdict
from openfeature_triton.dashboard.statistics.accumulating import accumulate
from openfeature_triton.dashboard.statistics.always_valid import planned_g
from openfeature_triton.dashboard.statistics.checking import check
from openfeature_triton.dashboard.statistics.comparing import compare, compare_all, steps
from openfeature_triton.dashboard.statistics.estimates import value
from openfeature_triton.dashboard.statistics.guarding import guard
from openfeature_triton.dashboard.statistics.holm import adjusted
from openfeature_triton.dashboard.statistics.pairs import Pair, compared_metrics, pair
from openfeature_triton.dashboard.statistics.planner import ALWAYS_VALID, days_left
from openfeature_triton.dashboard.statistics.quantiles_by_phase import compare_quantiles
from openfeature_triton.dashboard.statistics.results import (
    Analysis,
    Effect,
    MetricResult,
    SplitResult,
    VariantResult,
)
from openfeature_triton.dashboard.statistics.rollups import (
    ERROR_RATE,
    QUANTILES,
    RATES,
    Cumulative,
    Plan,
    Slice,
)
from openfeature_triton.dashboard.statistics.scales import scale
from openfeature_triton.dashboard.statistics.split_check import check_split
from openfeature_triton.dashboard.statistics.verdict import Verdict
from openfeature_triton.dashboard.statistics.wording import Spoken, effect_in_words
from openfeature_triton.hooks import schema


def summarize(
    slices: Iterable[Slice],
    plan: Plan,
    *,
    requests_per_day: float | None = None,
    strict: bool = True,
) -> Analysis:
    """Analyse merged rollups: split, effects, guardrails and a verdict that holds at every look.

    Raises ValueError, one line, where sums and plan can't be meant: a field or a metric of another
    name, a phase without weights, more errors than requests, a sum that is no number.

    Args:
        slices: summed fields by slice of time, phase and variant, in any order.
        plan: what was decided beforehand.
        requests_per_day: the present traffic, for the days that are left.
        strict: whether to check; without, what a store holds is summarised whatever it is.
    """
    sums = accumulate(slices, plan.control, by_user=plan.unit == "user")
    if strict:
        check(sums, plan, requests_per_day)
    split = check_split(sums, plan)
    progress = _progress(sums, plan, requests_per_day)
    pairs = _pairs(sums, plan, compared_metrics(sums, plan))
    compared = [compare_all(each) for each in pairs]
    p_values = adjusted(
        [_p_value(pair, metrics[0]) for pair, metrics in zip(pairs, compared, strict=True)]
    )
    variants = tuple(
        _variant(each, metrics, p_value=p_value, progress=progress)
        for each, metrics, p_value in zip(pairs, compared, p_values, strict=True)
    )
    whole = verdict.overall([each.verdict for each in variants], [*map(_size, variants)])
    if split.broken:
        whole = _broken(split)
        variants = tuple(_not_to_be_trusted(each, whole) for each in variants)
    return Analysis(
        verdict=whole,
        split=split,
        requests=progress.requests,
        planned_requests=plan.planned_requests,
        days_left=progress.days_left,
        variants=variants,
        user_share=_user_share(sums),
    )


def _broken(split: SplitResult) -> Verdict:
    """Say which phase it is, where there are others and one alone is broken."""
    if len(split.phases) > 1 and len(split.broken_phases) == 1:
        (found,) = split.broken_phases
        return verdict.broken(found.counts, found.shares, split.p_value, found.phase)
    return verdict.broken(split.counts, split.shares, split.p_value)


def _not_to_be_trusted(result: VariantResult, whole: Verdict) -> VariantResult:
    """Let no metric of a variant be better or worse."""
    metrics = tuple(replace(each, state=verdict.UNDECIDED) for each in result.metrics)
    return replace(result, verdict=whole, primary=metrics[0], metrics=metrics)


def primary_effects(slices: Iterable[Slice], plan: Plan) -> dict[str, MetricResult]:
    """Give each variant's primary metric alone, as `summarize` does: for parts of an experiment."""
    sums = accumulate(slices, plan.control, by_user=plan.unit == "user")
    pairs = _pairs(sums, plan, (plan.primary_metric,))
    return {each.variant: compare(each, plan.primary_metric) for each in pairs}


def _pairs(sums: Cumulative, plan: Plan, metrics: Sequence[str]) -> list[Pair]:
    """Set each variant but control beside it."""
    treatments = [variant for variant in sums.variants if variant != plan.control]
    return [pair(sums, plan, variant, metrics) for variant in treatments]


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the experiment is: requests by variant and in all, days to go."""

    by_variant: Mapping[str, int]
    requests: int
    days_left: float | None


def _progress(sums: Cumulative, plan: Plan, requests_per_day: float | None) -> _Progress:
    counts = sums.of(schema.REQUESTS)[-1].sum(axis=0) if sums.slices else [0] * len(sums.variants)
    by_variant = {name: int(count) for name, count in zip(sums.variants, counts, strict=True)}
    total, left = sum(by_variant.values()), None
    if plan.planned_requests is not None and requests_per_day is not None:
        left = days_left(plan.planned_requests, total, requests_per_day)
    return _Progress(by_variant, total, left)


def _variant(
    pair: Pair, metrics: tuple[MetricResult, ...], *, p_value: float, progress: _Progress
) -> VariantResult:
    """Give what is known of a variant, whose primary metric is the first of `metrics`."""
    plan, primary, variant = pair.plan, metrics[0], pair.variant
    guarded = tuple(guard(pair, each) for each in plan.guardrails)
    effect, estimated = primary.effect, pair.estimate(primary.metric)
    found = verdict.Evidence(
        variant=variant,
        control=plan.control,
        primary=primary.state if p_value <= plan.alpha else verdict.UNDECIDED,
        effect=effect_in_words(variant, plan.control, primary.metric, _spoken(effect)),
        guardrails=guarded,
        events=float(estimated.events[-1]),
        event=_event(pair),
        buckets=float(estimated.buckets[-1]) if pair.sums.is_by_user else None,
        requests=progress.requests,
        planned_requests=plan.planned_requests,
        days_left=progress.days_left,
        is_running=plan.is_running,
        is_shown_now=not _holds_0(effect),
        is_precise=_is_precise(pair),
        has_unread_guardrails=plan.has_unread_guardrails,
    )
    return VariantResult(
        variant=variant,
        requests=progress.by_variant[variant],
        primary=primary,
        metrics=metrics,
        guardrails=guarded,
        p_value=p_value,
        verdict=verdict.judge(found),
        steps=steps(pair),
    )


def _p_value(pair: Pair, primary: MetricResult) -> float:
    """Give the primary metric's p-value for Holm; of a quantile, which has none, 0 or 1.

    Our own choice: 0 where its interval for one of so many variants (Bonferroni) is decided.
    """
    if primary.p_value is not None or primary.metric not in QUANTILES:
        return primary.p_value or 0.0
    alpha = pair.plan.alpha / (len(pair.sums.variants) - 1)
    found = compare_quantiles(pair, primary.metric, alpha)
    return 0.0 if found is not None and not found[2].low <= 1 <= found[2].high else 1.0


def _is_precise(pair: Pair) -> bool:
    """Say whether the effect is known as well as planned, give or take a tenth.

    Our own rule: as well as the planner promises of the minimum effect, or as the planned requests
    tell if they are split evenly; a ramp, or an uneven split, spends them on the larger arm.
    """
    plan, sums, metric = pair.plan, pair.sums, pair.plan.primary_metric
    if plan.minimum_effect is None or plan.planned_requests is None or metric in QUANTILES:
        return True
    se = float(pair.estimate(metric).se[-1])
    if se <= 0 or (scale(sums, plan, metric) / se) ** 2 >= 0.9 * ALWAYS_VALID * planned_g(
        plan.alpha
    ):
        return True
    columns = [sums.variants.index(name) for name in pair.names]
    n0, n1 = sums.of(schema.REQUESTS)[-1][:, columns].T
    told = float((n0 * n1 / np.maximum(n0 + n1, 1.0)).sum())
    return told >= 0.9 * plan.planned_requests / len(sums.variants) / 2


def _spoken(effect: Effect) -> Spoken | None:
    if effect.value is None or effect.low is None or effect.high is None:
        return None
    return Spoken(effect.value, effect.low, effect.high)


def _holds_0(effect: Effect) -> bool:
    return effect.low is not None and effect.high is not None and effect.low <= 0 <= effect.high


def _size(result: VariantResult) -> float:
    """Give how large a variant's primary effect is, in either direction."""
    effect = result.primary.effect
    return abs(effect.value) if effect.value is not None else 0.0


def _event(pair: Pair) -> str:
    """Name what there are fewest of: of a rate the rarer outcome."""
    if pair.plan.primary_metric not in RATES:
        return f"values of {pair.plan.primary_metric}"
    shares = [value(pair.sums, ERROR_RATE, each) or 0.0 for each in pair.names]
    return "failures" if sum(shares) <= 1 else "successes"


def _user_share(sums: Cumulative) -> float | None:
    """Give the share of the requests that are in a bucket of users."""
    if not sums.is_by_user:
        return None
    named = sums.part("n")
    requests = float(sums.of(schema.REQUESTS)[-1].sum())
    return min(float(named[-1].sum()) / requests, 1.0) if requests > 0 else None
