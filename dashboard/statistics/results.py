"""Results: what an analysis says, as frozen values; what can't be told yet is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from openfeature_triton.dashboard.statistics.guardrails import GuardrailResult
from openfeature_triton.dashboard.statistics.split import ALARM
from openfeature_triton.dashboard.statistics.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment − control with its always-valid interval.

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

    Latencies are in ms (`latency`: the geometric mean; the mean where the unit is the user).
    `p_value` is always valid, None for quantiles. `state` is better, worse or undecided.
    """

    metric: str
    control: float | None
    treatment: float | None
    effect: Effect
    p_value: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Step:
    """The primary effect as it stood at the end of one slice, in the unit of `Effect`."""

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
    verdict: Verdict
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PhaseSplit:
    """Exposures of each variant in one phase against its share by weight; p is always valid."""

    phase: str
    counts: Mapping[str, int]
    shares: Mapping[str, float]
    p_value: float


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Exposures of each variant against its share by weight; broken where p is below 0.001.

    `p_value` is that of all phases together, `phases` are those of which weights are known.
    """

    counts: Mapping[str, int]
    shares: Mapping[str, float]
    p_value: float
    broken: bool
    phases: tuple[PhaseSplit, ...] = ()

    @property
    def broken_phases(self) -> tuple[PhaseSplit, ...]:
        """Those that are broken even by themselves."""
        return tuple(each for each in self.phases if self.broken and each.p_value < ALARM)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of an experiment. `verdict` is that of the whole.

    `user_share` is the share of the requests that name their user, None where the unit is the
    request: only those are compared.
    """

    verdict: Verdict
    split: SplitResult
    requests: int
    planned_requests: int | None
    days_left: float | None
    variants: tuple[VariantResult, ...]
    user_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON can hold; what is not known is None."""
        return dict(asdict(self))
