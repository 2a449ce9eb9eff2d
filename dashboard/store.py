"""Store: what was recorded, as totals that somebody else may have summed. Only read, never changed.

Whoever reads says what in queries, and asks them at once: the pages need no more than this, and
each kind of store has a reader of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Literal, Protocol

from openfeature_triton.dashboard.histograms import NOTHING, Histogram
from openfeature_triton.dashboard.user_sums import NOBODY, UserSums
from openfeature_triton.hooks import schema

Step = Literal["day", "hour", "all"]
"""How long the slices of time are that are summed over; a day begins with one of UTC."""

STEP_NS: Mapping[Step, int] = {"day": 86_400 * 10**9, "hour": 3600 * 10**9}

COUNTS, LATENCIES, CLUSTERS = schema.LIGHT, schema.LATENCY, schema.CLUSTERS
EVALUATIONS, PHASES, SEEN = schema.EVALUATION, schema.PHASE, "seen"

TRAFFIC_FIELDS = (schema.EXPOSURES, schema.REQUESTS, schema.ERRORS)
"""What traffic is made of, in the order in which `Traffic` has it."""

EVALUATION_FIELDS = (schema.COUNT, schema.EVALUATION_ERRORS, schema.DURATION_SUM)
"""What evaluations are made of, in the order in which `Evaluations` has it."""

GROUP = ("phase", "variant", "served", "task_type", "language")
"""The tags that are kept apart where a query names no others."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to read of one experiment, or of all, from when to when.

    Args:
        what: `COUNTS`, the fields of `inference_light`; `LATENCIES`, its histograms; `CLUSTERS`,
            the sums by bucket of users, () where the unit is not the user; `EVALUATIONS`: these
            give `Totals`. `SEEN` gives `Seen`. `PHASES` gives `Phase`, the oldest first, of any
            time.
        experiment: its key; None for all. Traffic that was part of none is never given.
        step: which slices of time are kept apart.
        start_ns: only windows that begin at or after it are read. It and `end_ns` should be whole
            hours since 1970: wider windows lie on one side or the other.
        end_ns: only windows that begin before it are read.
        by: which tags are kept apart; the others are empty in what is given.
        fields: which fields are read; all if empty.
    """

    what: str
    experiment: str | None = None
    step: Step = "day"
    start_ns: int | None = None
    end_ns: int | None = None
    by: tuple[str, ...] = GROUP
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one group: what a query keeps apart, by tags and in time.

    `fields` are named as in `hooks.schema`; latencies are counted in a histogram,
    and sums by buckets of users are arrays. What was read
    from different measurements, or summed over different times, is merged by adding. `start_ns` is
    when the slice of time began: a day of UTC, an hour, or 1970 where all time is one. `served`
    differs from `variant` after a fallback.
    """

    experiment: str
    phase: str
    variant: str
    served: str
    task_type: str
    language: str
    reason: str
    error_code: str
    start_ns: int
    fields: Mapping[str, float]
    latencies: Histogram = NOTHING
    users: UserSums = NOBODY

    @property
    def day(self) -> date:
        """The day of UTC in which the slice lies."""
        return datetime.fromtimestamp(self.start_ns // 10**9, timezone.utc).date()


TAGS = Totals.__match_args__[:8]
"""The tags of totals, in the order in which they have them."""


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


SEEN_TAGS = Seen.__match_args__[:4]
"""What makes one traffic."""


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
    """Reads what was recorded; safe to use from many threads. StoreError if it can't be read."""

    def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
        """Give what each query asks for, in its order; () where there is nothing."""

    def close(self) -> None:
        """Let go of connections."""


def traffic_queries(experiment: str | None = None) -> tuple[Query, Query]:
    """Ask for what `traffic_of` takes, of all experiments or of one."""
    counts = Query(COUNTS, experiment, "all", by=SEEN_TAGS, fields=TRAFFIC_FIELDS)
    return Query(SEEN, experiment), counts


def traffic_of(seen: Iterable[Seen], counts: Iterable[Totals]) -> tuple[Traffic, ...]:
    """Give the traffic of variants, of when they were seen, and of their counts."""
    sums: dict[tuple[str, ...], dict[str, float]] = {}
    for each in counts:
        fields = sums.setdefault(place(each), dict.fromkeys(TRAFFIC_FIELDS, 0.0))
        for name in TRAFFIC_FIELDS:
            fields[name] += each.fields.get(name, 0.0)
    return tuple(_traffic(each, sums.get(place(each), {})) for each in seen)


def _traffic(seen: Seen, fields: Mapping[str, float]) -> Traffic:
    exposures, requests, errors = (int(fields.get(name, 0)) for name in TRAFFIC_FIELDS)
    experiment, phase, variant, task_type = place(seen)
    first_ns, last_ns = seen.first_ns, seen.last_ns
    return Traffic(
        experiment, phase, variant, task_type, exposures, requests, errors, first_ns, last_ns
    )


def place(of: Seen | Totals) -> tuple[str, str, str, str]:
    """Give experiment, phase, variant, task type: what makes one traffic."""
    return of.experiment, of.phase, of.variant, of.task_type


def read_traffic(store: Store, experiment: str | None = None) -> tuple[Traffic, ...]:
    """Give the traffic of all experiments, or of one, by phase and variant."""
    seen, counts = store.read(*traffic_queries(experiment))
    return traffic_of(seen, counts)


def counts_and_latencies(
    store: Store,
    experiment: str,
    step: Step = "day",
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> tuple[Totals, ...]:
    """Give an experiment's counts and latencies, one after the other."""
    counts, latencies = store.read(
        *(Query(what, experiment, step, start_ns, end_ns) for what in (COUNTS, LATENCIES))
    )
    return (*counts, *latencies)


def read_evaluations(store: Store) -> tuple[Evaluations, ...]:
    """Give how often each flag was evaluated, with which result."""
    by = schema.EVALUATION_TAGS
    (found,) = store.read(Query(EVALUATIONS, step="all", by=by, fields=EVALUATION_FIELDS))
    return tuple(_evaluations(each) for each in found)


def _evaluations(totals: Totals) -> Evaluations:
    count, errors, duration_us = (totals.fields.get(name, 0.0) for name in EVALUATION_FIELDS)
    return Evaluations(
        totals.experiment,
        totals.variant,
        totals.reason,
        totals.error_code,
        int(count),
        int(errors),
        duration_us,
    )
