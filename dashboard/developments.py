"""Developments: how an experiment came to be what it is, over time and by language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.plans import end_of_slice, slices
from openfeature_triton.dashboard.statistics import Analysis, MetricResult, Plan, primary_effects
from openfeature_triton.dashboard.statistics.holm import adjusted
from openfeature_triton.dashboard.store import STEP_NS, Totals
from openfeature_triton.hooks import schema

QUANTILE = "latency_p"


@dataclass(frozen=True, slots=True)
class Look:
    """A variant's primary effect as it stood at a time, with its always-valid interval."""

    time: datetime
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Exposed:
    """How many units a variant had got by each time, and how many its weight had promised."""

    variant: str
    times: tuple[datetime, ...]
    counts: tuple[int, ...]
    promised: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LanguageEffect:
    """The primary metric of a variant in one language: exploration, never a verdict.

    `p_value` is by Holm over all languages and variants that are shown.
    """

    language: str
    variant: str
    result: MetricResult
    p_value: float


def looks(analysis: Analysis, first_ns: int, now: datetime) -> dict[str, tuple[Look, ...]]:
    """Give each variant's effect at each look that has an interval, by variant.

    `first_ns` is when the experiment's first traffic came.
    """
    hour_ns = STEP_NS["hour"]
    return {
        each.variant: tuple(
            Look(end_of_slice(step.index * hour_ns, first_ns, now), step.value, step.low, step.high)
            for step in each.steps
            if step.value is not None and step.low is not None and step.high is not None
        )
        for each in analysis.variants
    }


def exposed(
    plan: Plan, totals: Sequence[Totals], first_ns: int, now: datetime
) -> tuple[Exposed, ...]:
    """Give cumulative exposures (requests where nothing counts exposures) against the weights.

    `first_ns` is when the experiment's first traffic came.
    """
    has_exposures = any(each.fields.get(schema.EXPOSURES) for each in totals)
    field = schema.EXPOSURES if has_exposures else schema.REQUESTS
    variants = tuple(dict.fromkeys(v for each in plan.weights.values() for v in each))
    counts, promised = dict.fromkeys(variants, 0.0), dict.fromkeys(variants, 0.0)
    times: list[datetime] = []
    lines: dict[str, list[tuple[int, float]]] = {variant: [] for variant in variants}
    by_time = summary.group((t for t in totals if t.fields), lambda each: each.start_ns)
    for start_ns in sorted(by_time):
        for each in by_time[start_ns]:
            _add(plan.weights.get(each.phase, {}), each, field, counts, promised)
        times.append(end_of_slice(start_ns, first_ns, now))
        for variant in variants:
            lines[variant].append((int(counts[variant]), promised[variant]))
    return tuple(
        Exposed(v, tuple(times), tuple(n for n, _ in line), tuple(p for _, p in line))
        for v, line in lines.items()
    )


def by_language(plan: Plan, totals: Sequence[Totals]) -> tuple[LanguageEffect, ...]:
    """Give the primary effect in each language, where there are several and it can be told."""
    languages = summary.group(totals, lambda each: each.language)
    if len(languages) < 2 or not plan.control:
        return ()
    found = [
        (language, variant, result)
        for language in sorted(languages)
        for variant, result in primary_effects(
            slices(plan, _of_primary(plan, languages[language])), plan
        ).items()
    ]
    shown = [each for each in found if each[2].effect.relative is not None]
    p_values = adjusted([1.0 if r.p_value is None else r.p_value for _, _, r in shown])
    return tuple(LanguageEffect(*each, p) for each, p in zip(shown, p_values, strict=True))


def _of_primary(plan: Plan, totals: Iterable[Totals]) -> Iterable[Totals]:
    """The histogram is left out where no quantile is asked for: it is most of the work."""
    if plan.primary_metric.startswith(QUANTILE):
        return totals
    return [each for each in totals if each.fields]


def _add(
    weights: Mapping[str, float],
    totals: Totals,
    field: str,
    counts: dict[str, float],
    promised: dict[str, float],
) -> None:
    count = totals.fields.get(field, 0.0)
    whole = sum(weights.values())
    if not count or not whole or totals.variant not in counts:
        return
    counts[totals.variant] += count
    for variant, weight in weights.items():
        promised[variant] += count * weight / whole
