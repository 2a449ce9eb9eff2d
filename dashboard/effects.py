"""Effects: the rows of the table that compares a variant with control, and their small bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from openfeature_triton.dashboard.developments import LanguageEffect
from openfeature_triton.dashboard.formats import NOTHING, decimals, metric_name, number, percent
from openfeature_triton.dashboard.statistics import (
    Effect,
    GuardrailResult,
    MetricResult,
    VariantResult,
)
from openfeature_triton.dashboard.statistics.always_valid import ALPHA
from openfeature_triton.dashboard.statistics.rollups import RATES
from openfeature_triton.dashboard.statistics.verdict import BETTER, UNDECIDED, WORSE

MIN_SCALE, MAX_SCALE = 0.02, 0.6
"""Between which shares of control the ends of all bars of a table lie."""

_NAMES = {
    "success_rate": "Success rate",
    "error_rate": "Error rate",
    "latency": "Latency, geometric mean",
    "latency_p50": "Latency p50",
    "latency_p95": "Latency p95",
    "latency_p99": "Latency p99",
}
_WORDS = {BETTER: "better", WORSE: "worse", UNDECIDED: "no difference shown"}
_SYMBOLS = {BETTER: "▲", WORSE: "▼", UNDECIDED: "·"}
_GUARDED = {"harmed": "harmed", "safe": "safe", "unknown": "not known yet"}


@dataclass(frozen=True, slots=True)
class Bar:
    """Where an interval lies on a scale of 0 to 100, no difference at 50; cut ends are marked."""

    low: float
    value: float
    high: float
    cut_low: bool
    cut_high: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as it stands in the table; `bar` is None while there is no interval."""

    metric: str
    name: str
    unit: str
    control: str
    treatment: str
    delta: str
    interval: str
    bar: Bar | None
    state: str
    word: str
    symbol: str
    is_primary: bool
    guardrail: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against control. `scale` is the share of control at the ends of the bars."""

    variant: str
    scale: float
    rows: tuple[Row, ...]
    fixed: str


def comparisons(
    results: Iterable[VariantResult], units: Mapping[str, str], *, is_broken: bool = False
) -> tuple[Comparison, ...]:
    """Give each variant's table; under a broken split no row says better or worse."""
    return tuple(_comparison(each, units, is_broken=is_broken) for each in results)


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One variant in one language, as the forest shows it."""

    language: str
    variant: str
    row: Row


def forest(
    effects: Sequence[LanguageEffect], *, is_broken: bool = False
) -> tuple[float, tuple[ForestRow, ...]]:
    """Give the scale of the bars, and a row per language and variant."""
    scale = _scale([each.result for each in effects])
    rows = []
    for each in effects:
        is_sure = each.p_value <= ALPHA
        result = each.result if is_sure else replace(each.result, state=UNDECIDED)
        row = _row(result, each.result.metric, scale, {}, None, is_broken=is_broken)
        rows.append(ForestRow(each.language, each.variant, row))
    return scale, tuple(rows)


def _comparison(result: VariantResult, units: Mapping[str, str], *, is_broken: bool) -> Comparison:
    scale = _scale(result.metrics)
    guards = {each.guardrail.metric: each for each in result.guardrails}
    rows = tuple(
        _row(
            each, result.primary.metric, scale, units, guards.get(each.metric), is_broken=is_broken
        )
        for each in result.metrics
        if each.control is not None or each.treatment is not None
    )
    return Comparison(result.variant, scale, rows, _fixed(result.primary))


def _row(
    metric: MetricResult,
    primary: str,
    scale: float,
    units: Mapping[str, str],
    guard: GuardrailResult | None,
    *,
    is_broken: bool,
) -> Row:
    is_primary = metric.metric == primary
    state = UNDECIDED if is_broken else metric.state
    has_direction = is_primary or guard is not None or metric.metric in _NAMES
    effect = metric.effect
    return Row(
        metric=metric.metric,
        name=_NAMES.get(metric.metric, metric_name(metric.metric)),
        unit=_unit(metric.metric, units),
        control=_value(metric, metric.control),
        treatment=_value(metric, metric.treatment),
        delta=_signed(effect.relative),
        interval=_interval(effect),
        bar=_bar(effect, scale),
        state=state if has_direction else UNDECIDED,
        word="not to be trusted" if is_broken else _word(metric, has_direction=has_direction),
        symbol=_SYMBOLS[state] if has_direction else "·",
        is_primary=is_primary,
        guardrail=_guardrail(guard, is_broken=is_broken),
    )


def _scale(metrics: Sequence[MetricResult]) -> float:
    """The second widest interval fits, so one that is not yet known does not flatten the others."""
    ends = sorted(
        max(abs(each.effect.relative_low), abs(each.effect.relative_high))
        for each in metrics
        if each.effect.relative_low is not None and each.effect.relative_high is not None
    )
    widest = ends[-2] if len(ends) > 2 else ends[-1] if ends else MIN_SCALE
    return min(max(widest * 1.1, MIN_SCALE), MAX_SCALE)


def _bar(effect: Effect, scale: float) -> Bar | None:
    if effect.relative is None or effect.relative_low is None or effect.relative_high is None:
        return None

    def place(share: float) -> float:
        return round(50 + 50 * min(max(share / scale, -1.0), 1.0), 2)

    low, high = effect.relative_low, effect.relative_high
    return Bar(place(low), place(effect.relative), place(high), low < -scale, high > scale)


def _value(metric: MetricResult, value: float | None) -> str:
    if value is None:
        return NOTHING
    if metric.metric in RATES:
        return percent(value, 2)
    return number(value, decimals([metric.control, metric.treatment]))


def _unit(metric: str, units: Mapping[str, str]) -> str:
    if metric.startswith("latency"):
        return "ms"
    unit = units.get(metric, "")
    return "" if unit in metric else unit


def _signed(share: float | None) -> str:
    if share is None:
        return NOTHING
    text = percent(abs(share), 1 if abs(share) < 1 else 0)
    return (
        text if text.startswith(("0.0\u00a0", "0\u00a0")) else f"{'+' if share > 0 else '−'}{text}"
    )


def _interval(effect: Effect) -> str:
    if effect.relative_low is None or effect.relative_high is None:
        return "no interval yet"
    return f"{_signed(effect.relative_low)} to {_signed(effect.relative_high)}"


def _word(metric: MetricResult, *, has_direction: bool) -> str:
    if has_direction or metric.state == UNDECIDED:
        return _WORDS[metric.state]
    return "higher" if (metric.effect.value or 0) > 0 else "lower"


def _guardrail(guard: GuardrailResult | None, *, is_broken: bool) -> str:
    if guard is None:
        return ""
    margin = f"guardrail, {percent(guard.guardrail.margin, 0)} allowed"
    return margin if is_broken else f"{margin}: {_GUARDED[guard.state]}"


def _fixed(primary: MetricResult) -> str:
    """The interval of the usual kind, in the metric's unit."""
    effect = primary.effect
    if effect.fixed_low is None or effect.fixed_high is None:
        return ""
    if primary.metric in RATES:
        low, high = (
            f"{100 * each:+.2f}".replace("-", "−") for each in (effect.fixed_low, effect.fixed_high)
        )
        return f"{low} to {high} points"
    if primary.metric == "latency":
        return f"{_signed(effect.fixed_low)} to {_signed(effect.fixed_high)}"
    return f"{effect.fixed_low:+.3g} to {effect.fixed_high:+.3g}".replace("-", "−")
