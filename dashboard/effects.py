"""Effects: the rows of the table that compares a variant with control, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from openfeature_triton.dashboard.bars import Bar, bar_of, scale_of
from openfeature_triton.dashboard.formats import NOTHING, decimals, metric_name, number, percent
from openfeature_triton.dashboard.statistics import (
    Effect,
    GuardrailResult,
    MetricResult,
    VariantResult,
)
from openfeature_triton.dashboard.statistics.rollups import LATENCY, RATES
from openfeature_triton.dashboard.statistics.verdict import BETTER, UNDECIDED, WORSE

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


@dataclass(frozen=True, slots=True)
class Table:
    """What all rows of a table share; under a broken split none says better or worse."""

    primary: str
    scale: float
    units: Mapping[str, str] = field(default_factory=dict)
    guards: Mapping[str, GuardrailResult] = field(default_factory=dict)
    is_broken: bool = False
    of_users: bool = False


def comparisons(
    results: Iterable[VariantResult],
    units: Mapping[str, str],
    *,
    is_broken: bool = False,
    of_users: bool = False,
) -> tuple[Comparison, ...]:
    """Give each variant's table.

    Args:
        results: what the statistics say of each.
        units: of the custom metrics.
        is_broken: whether the split is.
        of_users: whether users were compared, so that latency is a plain mean.
    """
    found = []
    for each in results:
        table = Table(
            primary=each.primary.metric,
            scale=scale_of(metric.effect for metric in each.metrics),
            units=units,
            guards={guard.guardrail.metric: guard for guard in each.guardrails},
            is_broken=is_broken,
            of_users=of_users,
        )
        rows = tuple(
            row(metric, table)
            for metric in each.metrics
            if metric.control is not None or metric.treatment is not None
        )
        found.append(Comparison(each.variant, table.scale, rows, _fixed(each.primary)))
    return tuple(found)


def row(metric: MetricResult, table: Table) -> Row:
    """Give one metric's row; what only an earlier look showed looks undecided."""
    is_primary, guard = metric.metric == table.primary, table.guards.get(metric.metric)
    state = UNDECIDED if table.is_broken or holds_0(metric) else metric.state
    has_direction = is_primary or guard is not None or metric.metric in _NAMES
    return Row(
        metric=metric.metric,
        name=_name(metric.metric, of_users=table.of_users),
        unit=_unit(metric.metric, table.units),
        control=_value(metric, metric.control),
        treatment=_value(metric, metric.treatment),
        delta=_signed(metric.effect.relative, _places(metric.effect)),
        interval=_interval(metric.effect),
        bar=bar_of(metric.effect, table.scale),
        state=state if has_direction else UNDECIDED,
        word=_word(metric, table, state, has_direction=has_direction),
        symbol=_SYMBOLS[state] if has_direction else "·",
        is_primary=is_primary,
        guardrail=_guardrail(guard, is_broken=table.is_broken),
    )


def holds_0(metric: MetricResult) -> bool:
    """Say whether the interval that is shown holds 0, as it may where the difference's does not."""
    low, high = metric.effect.relative_low, metric.effect.relative_high
    return low is not None and high is not None and low <= 0 <= high


def _name(metric: str, *, of_users: bool) -> str:
    if of_users and metric == LATENCY:
        return "Latency, mean"
    return _NAMES.get(metric, metric_name(metric))


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


def _signed(share: float | None, places: int = 1) -> str:
    if share is None:
        return NOTHING
    text = percent(abs(share), places if abs(share) < 1 else 0)
    is_nothing = not text.rstrip("\u00a0%").strip("0.")
    return text if is_nothing else f"{'+' if share > 0 else '−'}{text}"


def _interval(effect: Effect) -> str:
    if effect.relative_low is None or effect.relative_high is None:
        return "no interval yet"
    places = _places(effect)
    return f"{_signed(effect.relative_low, places)} to {_signed(effect.relative_high, places)}"


def _places(effect: Effect) -> int:
    """One decimal of a percent, or two where one would hide that the interval holds no 0."""
    ends = effect.relative_low or 0.0, effect.relative_high or 0.0
    return 2 if 0 < min(map(abs, ends)) < 0.0005 and ends[0] * ends[1] > 0 else 1


def _word(metric: MetricResult, table: Table, state: str, *, has_direction: bool) -> str:
    if table.is_broken:
        return "not to be trusted"
    if metric.metric == table.primary and metric.state != state:
        return f"{_WORDS[metric.state]} at an earlier look"
    if has_direction or state == UNDECIDED:
        return _WORDS[state]
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
