"""Plans: what the statistics need to know of an experiment, and the slices they are made from.

Looks at the data are by the hour in an experiment's first days, and by the day afterwards. A look
that was made once stays one, so an always-valid p-value never grows because time went by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import chain

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.definitions import Definition, read_weights
from openfeature_triton.dashboard.statistics import (
    Analysis,
    Plan,
    Slice,
    summarize,
)
from openfeature_triton.dashboard.statistics.guardrails import read_guardrails
from openfeature_triton.dashboard.statistics.rollups import SUCCESS_RATE
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    COUNTS,
    LATENCIES,
    STEP_NS,
    Phase,
    Query,
    Seen,
    Totals,
    Traffic,
)
from openfeature_triton.hooks import schema

HOURLY_DAYS = 3
"""For how many days since its first traffic an experiment is looked at by the hour."""

BY_VARIANT = ("phase", "variant")

_RECENT = timedelta(days=7)
_TOO_MUCH = 10**15


def queries(experiment: str, plan: Plan, seen: Sequence[Seen | Traffic]) -> tuple[Query, ...]:
    """Ask for what an analysis is made from; nothing where there was no traffic."""
    if not seen:
        return ()
    latencies = Query(LATENCIES, experiment, "all", first_day_ns(seen), by=BY_VARIANT)
    measured = (COUNTS, CLUSTERS) if plan.unit == "user" else (COUNTS,)
    slices = (slice_queries(what, experiment, seen) for what in measured)
    return latencies, *chain.from_iterable(slices)


def sums(answers: Sequence[tuple[Totals, ...]]) -> tuple[tuple[Totals, ...], tuple[Totals, ...]]:
    """Give what `queries` were answered: totals, and those by buckets of users."""
    totals, clusters = (chain.from_iterable(part) for part in (answers[:3], answers[3:]))
    return tuple(totals), tuple(clusters)


def slice_queries(
    what: str, experiment: str, seen: Iterable[Seen | Traffic]
) -> tuple[Query, Query]:
    """Ask for sums by variant in the slices an experiment is looked at in: hours, then days."""
    first_ns = first_day_ns(seen)
    until_ns = first_ns + HOURLY_DAYS * STEP_NS["day"]
    hours = Query(what, experiment, "hour", first_ns, until_ns, BY_VARIANT)
    return hours, Query(what, experiment, "day", until_ns, by=BY_VARIANT)


def first_day_ns(seen: Iterable[Seen | Traffic]) -> int:
    """Give when the first day of UTC began that had traffic."""
    return min(each.first_ns for each in seen) // STEP_NS["day"] * STEP_NS["day"]


def end_of_slice(start_ns: int, first_ns: int, now: datetime) -> datetime:
    """Give when a slice of `queries` ended, or now; at `first_ns` came the first traffic."""
    day_ns = STEP_NS["day"]
    is_hour = start_ns < (first_ns // day_ns + HOURLY_DAYS) * day_ns
    end_ns = start_ns + (STEP_NS["hour"] if is_hour else day_ns)
    return min(datetime.fromtimestamp(end_ns / 1e9, timezone.utc), now)


def make_plan(definition: Definition, phases: Iterable[Phase]) -> tuple[Plan, tuple[str, ...]]:
    """Give the plan of a definition's metadata, and what of it can't be read, in plain words."""
    said = definition.metadata
    guardrails, unread = read_guardrails(str(said.get("guardrails", "")))
    problems = [f"guardrails: {error}" for error in unread]
    effect = _positive(said, "minimum_effect", problems)
    planned = _positive(said, "planned_requests", problems)
    plan = Plan(
        control=definition.control,
        weights=known_weights(definition, phases),
        primary_metric=str(said.get("primary_metric") or SUCCESS_RATE),
        minimum_effect=effect,
        planned_requests=None if planned is None else math.ceil(planned),
        guardrails=guardrails,
        has_unread_guardrails=bool(unread),
        lower_is_better=tuple(
            each.strip() for each in str(said.get("lower_is_better", "")).split(",") if each.strip()
        ),
        unit="user" if definition.unit == "user" else "request",
        is_running=definition.may_run,
    )
    return plan, tuple(problems)


def known_weights(definition: Definition, phases: Iterable[Phase]) -> dict[str, dict[str, float]]:
    """Give the weights of each phase of which they are known."""
    weights = {each.phase: read_weights(each) for each in phases}
    if definition.phase and definition.weights:
        weights[definition.phase] = dict(definition.weights)
    return {
        phase: {v: float(w) for v, w in each.items()} for phase, each in weights.items() if each
    }


def analyse(
    plan: Plan, totals: Sequence[Totals], now: datetime, clusters: Sequence[Totals] = ()
) -> Analysis | None:
    """Analyse an experiment; None where no control is known, so nothing can be compared.

    A variant that no phase has a weight for was sent nobody by the experiment, and is left out.

    Args:
        plan: what was decided beforehand.
        totals: what was recorded, in the slices that it is looked at in.
        now: the present time.
        clusters: the sums by buckets of users in the same slices; without them requests are
            compared.
    """
    if not plan.control:
        return None
    counts = [each for each in _used(plan, totals) if each.fields]
    per_day = requests_per_day(counts, now)
    recorded = slices(plan, totals, clusters)
    return summarize(recorded, plan, requests_per_day=per_day, strict=False)


def slices(
    plan: Plan, totals: Iterable[Totals], clusters: Iterable[Totals] = ()
) -> Iterator[Slice]:
    """Give what the statistics are made from, as `analyse` has it."""
    used = _used(plan, totals)
    counts = summary.group((each for each in used if each.fields), _place)
    by_user = summary.group(_used(plan, clusters), _place)
    has_exposures = any(
        each.fields.get(schema.EXPOSURES) for members in counts.values() for each in members
    )
    found = (
        Slice(
            _index(start_ns),
            phase,
            variant,
            _fields(counts.get((start_ns, phase, variant), ()), has_exposures=has_exposures),
            summary.users(by_user.get((start_ns, phase, variant), ())).parts,
        )
        for start_ns, phase, variant in dict.fromkeys((*counts, *by_user))
    )
    return _with_latencies(found, used)


def _used(plan: Plan, totals: Iterable[Totals]) -> list[Totals]:
    wanted = {plan.control, *(variant for each in plan.weights.values() for variant in each)}
    return [each for each in totals if not plan.weights or each.variant in wanted]


def _with_latencies(slices: Iterable[Slice], totals: Iterable[Totals]) -> Iterator[Slice]:
    """Give the first slice of each variant and phase its latencies: they are looked at in all."""
    held = (each for each in totals if each.latencies)
    members = summary.group(held, lambda each: (each.phase, each.variant))
    for each in slices:
        latencies = members.pop((each.phase, each.variant), ())
        yield each if not latencies else _and_latencies(each, latencies)


def _and_latencies(counts: Slice, totals: Iterable[Totals]) -> Slice:
    return replace(counts, fields={**counts.fields, **summary.latencies(totals).fields()})


def _place(totals: Totals) -> tuple[int, str, str]:
    return totals.start_ns, totals.phase, totals.variant


def _index(start_ns: int) -> int:
    return start_ns // STEP_NS["hour"]


def _fields(members: Iterable[Totals], *, has_exposures: bool) -> Mapping[str, float]:
    """Where nothing counts exposures, requests say who was sent where."""
    fields = summary.merge(members)
    return (
        fields if has_exposures else {**fields, schema.EXPOSURES: fields.get(schema.REQUESTS, 0.0)}
    )


def recent_start_ns(now: datetime) -> int:
    """Give from which whole hour on traffic is called present."""
    return int((now - _RECENT).timestamp()) // 3600 * 3600 * 10**9


def requests_per_day(totals: Iterable[Totals], now: datetime) -> float:
    """Give the requests in a day of an experiment's recent totals."""
    since_ns = recent_start_ns(now)
    recent = [each for each in totals if each.start_ns >= since_ns]
    if not recent:
        return 0.0
    first = datetime.fromtimestamp(min(each.start_ns for each in recent) / 1e9, timezone.utc)
    days = max((now - first) / timedelta(days=1), 1 / 24)
    return sum(each.fields.get(schema.REQUESTS, 0.0) for each in recent) / days


def _positive(said: Mapping[str, object], name: str, problems: list[str]) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        problems.append(f"{name}: {value!r} is no positive number, so none is taken")
        return None
    if value >= _TOO_MUCH:
        problems.append(f"{name}: {value!r} is not below {_TOO_MUCH:,}, so none is taken")
        return None
    return float(value)
