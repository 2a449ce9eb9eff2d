"""What statistics are made from: sums by slice of time, phase and variant, and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from openfeature_triton.dashboard.statistics.always_valid import ALPHA, POWER, Floats
from openfeature_triton.dashboard.statistics.clusters import BUCKETS
from openfeature_triton.dashboard.statistics.guardrails import Guardrail
from openfeature_triton.dashboard.statistics.moments import Moments
from openfeature_triton.dashboard.statistics.requiring import (
    is_number,
    is_positive,
    require,
    require_chances,
)
from openfeature_triton.hooks import schema

Fields = Mapping[str, float]

SUCCESS_RATE, ERROR_RATE, LATENCY = "success_rate", "error_rate", "latency"
RATES = (SUCCESS_RATE, ERROR_RATE)
QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
_LATENCY_LN = schema.LATENCY_LN_SUM, schema.LATENCY_LN_SUMSQ
_LATENCY_MS = schema.LATENCY_SUM, schema.LATENCY_SUMSQ
LOWER_IS_BETTER = (ERROR_RATE, LATENCY, *QUANTILES)


@dataclass(frozen=True, slots=True)
class Slice:
    """The summed fields of one phase and variant in one slice of time.

    `index` orders the slices (a day's or an hour's number, any whole number; the looks at the data
    are at their ends). `fields` are named as in `hooks.schema`: those of `inference_light` and the
    bins of `inference_latency`. Where the unit is the user, `buckets` holds the sums by bucket of
    users, (128,) each: what `buckets_of` makes of the fields of `inference_clusters`.
    """

    index: int
    phase: str
    variant: str
    fields: Fields
    buckets: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError where a value is of another kind; there are many, so it is quick."""
        if not isinstance(self.index, (int, np.integer)):
            raise ValueError(f"Slice: the index {self.index!r} is no whole number")
        if not (isinstance(self.phase, str) and isinstance(self.variant, str)):
            raise ValueError(
                f"Slice: phase {self.phase!r} and variant {self.variant!r} must be names"
            )
        if not isinstance(self.fields, Mapping):
            raise ValueError(f"Slice: fields must be sums by name, not {self.fields!r}")
        if self.buckets and any(len(sums) != BUCKETS for sums in self.buckets.values()):
            raise ValueError(f"Slice: each of the buckets must be an array of {BUCKETS} sums")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before the first request, from the flag's metadata.

    `weights` are those of each phase, of any scale. `minimum_effect` is in the unit of the primary
    metric (0.01 is one point of a rate), for `latency` a share (0.1 is 10 %); `planned_requests`
    counts all variants together. `lower_is_better` names custom metrics of which less is better.
    `unit` is what was randomised. `is_running` says whether more requests will come,
    `has_unread_guardrails` whether there are such as nobody can read, so that none may be shipped.
    """

    control: str
    weights: Mapping[str, Mapping[str, float]]
    primary_metric: str = SUCCESS_RATE
    minimum_effect: float | None = None
    planned_requests: int | None = None
    guardrails: tuple[Guardrail, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    unit: Literal["request", "user"] = "request"
    is_running: bool = True
    has_unread_guardrails: bool = False
    alpha: float = ALPHA
    power: float = POWER

    def __post_init__(self) -> None:
        """Raise ValueError where a value can't be meant."""
        effect, planned = self.minimum_effect, self.planned_requests
        wanted = "is no positive number: 0.01 is one point of a rate, 0.1 is 10 % of a latency"
        require(effect is None or is_positive(effect), f"minimum_effect = {effect!r} {wanted}")
        said = f"planned_requests = {planned!r} is no positive number"
        require(planned is None or is_positive(planned), said)
        said = f"unit = {self.unit!r} is neither 'request' nor 'user'"
        require(self.unit in ("request", "user"), said)
        require_chances(self.alpha, self.power)
        _require_weights(self.weights)
        guarded = all(isinstance(each, Guardrail) for each in self.guardrails)
        require(guarded, "guardrails must be a tuple as (Guardrail('error_rate', 0.1),)")
        named = not isinstance(self.lower_is_better, str)
        require(named, "lower_is_better must be a tuple of metrics, as ('word_error_rate',)")

    def improves_downwards(self, metric: str) -> bool:
        """Say whether less of a metric is better."""
        return metric in LOWER_IS_BETTER or metric in self.lower_is_better


def _require_weights(weights: Mapping[str, Mapping[str, float]]) -> None:
    by_phase = isinstance(weights, Mapping) and all(
        isinstance(each, Mapping) for each in weights.values()
    )
    example = "{'487dff1f': {'control': 50, 'treatment': 50}}"
    require(by_phase, f"weights must be by phase, as {example}, not {weights!r}")
    for phase, each in weights.items():
        for variant, weight in each.items():
            said = (
                f"the weight of {variant!r} in phase {phase!r} is {weight!r}: no number from 0 up"
            )
            require(is_number(weight) and weight >= 0, said)


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Sums up to the end of each slice: arrays of shape (slices, phases, variants).

    `fields` holds one array per field that was recorded. `bins` (b,) and `counts` (phases,
    variants, b) are the latency histograms at the end. `buckets` holds one array per part of the
    buckets of users, with one more axis, of 128; it is empty where the unit is the request, or
    where nobody counted by user.
    """

    slices: tuple[int, ...]
    phases: tuple[str, ...]
    variants: tuple[str, ...]
    fields: Mapping[str, Floats] = field(repr=False)
    bins: Floats = field(repr=False)
    counts: Floats = field(repr=False)
    buckets: Mapping[str, Floats] = field(repr=False)

    @property
    def is_by_user(self) -> bool:
        """Whether users are compared, not requests."""
        return bool(self.buckets)

    def of(self, name: str) -> Floats:
        """Give a field's array; zeros if nobody recorded it."""
        shape = (len(self.slices), len(self.phases), len(self.variants))
        found = self.fields.get(name)
        return np.zeros(shape) if found is None else found

    def moments(self, metric: str) -> Moments:
        """Give count, sum and sum of squares of a metric.

        Latency's are of its ln where requests are compared, and of ms where users are.
        """
        requests, errors = self.of(schema.REQUESTS), self.of(schema.ERRORS)
        if metric == SUCCESS_RATE:
            return Moments(requests, requests - errors, requests - errors)
        if metric == ERROR_RATE:
            return Moments(requests, errors, errors)
        if metric == LATENCY:
            total, squares = _LATENCY_MS if self.is_by_user else _LATENCY_LN
            return Moments(requests, self.of(total), self.of(squares))
        return Moments(*(self.of(name) for name in schema.metric_fields(metric)))

    def parts(self, metric: str) -> tuple[str, str]:
        """Name the parts of the buckets of users that a metric is the ratio of.

        Of a success rate it is that of the errors, which it is 1 less.
        """
        if metric in RATES:
            return "errors", "n"
        return ("latency_ms", "n") if metric == LATENCY else (f"m_{metric}_sum", f"m_{metric}_n")

    def part(self, name: str) -> Floats:
        """Give a part of the buckets of users; zeros if nobody recorded it."""
        shape = (len(self.slices), len(self.phases), len(self.variants), BUCKETS)
        found = self.buckets.get(name)
        return np.zeros(shape) if found is None else found

    def custom_metrics(self) -> tuple[str, ...]:
        """Name the custom metrics that were recorded."""
        parsed = map(schema.parse_metric_field, self.fields)
        return tuple(sorted({each[0] for each in parsed if each is not None}))
