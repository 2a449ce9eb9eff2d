"""Store: what was recorded, as totals that somebody else may have summed. Only read, never changed.

The pages need no more than this protocol; each kind of store has a reader of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Literal, Protocol

from openfeature_triton.dashboard.histograms import NOTHING, Histogram
from openfeature_triton.hooks import schema

Step = Literal["day", "hour"]
"""How long the slices of time are that totals are summed over; each begins with one of UTC."""

STEP_NS: Mapping[Step, int] = {"day": 86_400 * 10**9, "hour": 3600 * 10**9}


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one group: one phase, variant, service that answered, language, time.

    `fields` are named as in `hooks.schema`; latencies are counted in a histogram. What was read
    from different measurements, or summed over different times, is merged by adding. `start_ns` is
    when the slice of time began: a day of UTC, or an hour. `served` differs from `variant` after a
    fallback.
    """

    phase: str
    variant: str
    served: str
    task_type: str
    language: str
    start_ns: int
    fields: Mapping[str, float]
    latencies: Histogram = NOTHING

    @property
    def day(self) -> date:
        """The day of UTC in which the slice lies."""
        return datetime.fromtimestamp(self.start_ns // 10**9, timezone.utc).date()


@dataclass(frozen=True, slots=True)
class Seen:
    """When one variant of an experiment had traffic in one phase.

    `first_ns` and `last_ns` lie within the first and the last window that holds something.
    """

    experiment: str
    phase: str
    variant: str
    task_type: str
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much one variant of an experiment had in one phase, and when, as `Seen` says it."""

    experiment: str
    phase: str
    variant: str
    task_type: str
    exposures: int
    requests: int
    errors: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A period in which split and targeting did not change; the texts are JSON as recorded."""

    experiment: str
    phase: str
    first_seen_ns: int
    weights: str
    metadata: str
    definition: str
    bucketing: str


@dataclass(frozen=True, slots=True)
class Evaluations:
    """How often a flag was evaluated with one result; `error_code` is empty where none was."""

    experiment: str
    variant: str
    reason: str
    error_code: str
    count: int
    errors: int
    duration_us_sum: float


class Store(Protocol):
    """Reads what was recorded; safe to use from many threads. Each method raises StoreError.

    Only windows that begin at or after `start_ns`, and before `end_ns`, are read. Both should be
    whole hours since 1970: wider windows lie on one side or the other.
    """

    def seen(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Seen, ...]:
        """Say when all experiments, or one, had traffic, by phase and variant: quickly."""

    def traffic(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""

    def counts(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the fields of `inference_light` by day or by hour; () for an unknown experiment."""

    def latencies(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's histograms of latency by day or by hour, without fields."""

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user.

        `fields` are those of `inference_clusters`, which knows no language: it is empty.
        """

    def evaluations(
        self, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""

    def close(self) -> None:
        """Let go of connections."""


TRAFFIC_FIELDS = (schema.EXPOSURES, schema.REQUESTS, schema.ERRORS)
"""What traffic is made of, in the order in which `Traffic` has it."""

EVALUATION_FIELDS = (schema.COUNT, schema.EVALUATION_ERRORS, schema.DURATION_SUM)
"""What evaluations are made of, in the order in which `Evaluations` has it."""


def counts_and_latencies(
    store: Store,
    experiment: str,
    *,
    step: Step = "day",
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> tuple[Totals, ...]:
    """Give an experiment's counts and latencies, one after the other."""
    return tuple(
        each
        for read in (store.counts, store.latencies)
        for each in read(experiment, step=step, start_ns=start_ns, end_ns=end_ns)
    )


def place(seen: Seen | Traffic) -> tuple[str, str, str, str]:
    """Give experiment, phase, variant, task type: what makes one traffic."""
    return seen.experiment, seen.phase, seen.variant, seen.task_type


def traffic_of(seen: Seen, fields: Mapping[str, float]) -> Traffic:
    """Make the traffic of who was seen, and of summed fields."""
    exposures, requests, errors = (int(fields.get(field, 0)) for field in TRAFFIC_FIELDS)
    return Traffic(
        seen.experiment,
        seen.phase,
        seen.variant,
        seen.task_type,
        exposures,
        requests,
        errors,
        seen.first_ns,
        seen.last_ns,
    )


def evaluations_of(group: Sequence[str], fields: Mapping[str, float]) -> Evaluations:
    """Make an Evaluations of experiment, variant, reason, error code, and of summed fields."""
    experiment, variant, reason, error_code = group
    count, errors, duration_us = (fields.get(field, 0.0) for field in EVALUATION_FIELDS)
    return Evaluations(
        experiment, variant, reason, error_code, int(count), int(errors), duration_us
    )
