"""Report: what the pages show, as values; the page and its JSON are made from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.definitions import Definition, Flags, define
from openfeature_triton.dashboard.developments import (
    Exposed,
    LanguageEffect,
    Look,
    by_language,
    exposed,
    looks,
)
from openfeature_triton.dashboard.phases import PhaseLine, Split, in_order, moment, phase_lines
from openfeature_triton.dashboard.plans import analyse, make_plan, read_clusters, read_totals
from openfeature_triton.dashboard.statistics import Analysis, Verdict
from openfeature_triton.dashboard.statistics.verdict import BROKEN, END, REVIEW, SHIP, STOP
from openfeature_triton.dashboard.store import Phase, Store, Totals, Traffic
from openfeature_triton.dashboard.summary import Numbers
from openfeature_triton.dashboard.validity import Check, checks
from openfeature_triton.dashboard.verdicts import Verdicts
from openfeature_triton.hooks import schema

P = TypeVar("P", Phase, Traffic)

_ATTENTION = (BROKEN, STOP, SHIP, REVIEW, END)


@dataclass(frozen=True, slots=True)
class Line:
    """An experiment as the list shows it. `split` is of the phase that is shown as current.

    `verdict` is None in a report, whose `analysis` has it, and where there can be none.
    """

    definition: Definition
    verdict: Verdict | None
    split: Split
    exposures: int
    requests: int
    errors: int
    error_rate: float | None
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The numbers of each variant in one language or on one day."""

    name: str
    variants: Mapping[str, Numbers]


@dataclass(frozen=True, slots=True)
class Curve:
    """The latency distribution of a variant: `share[i]` of its requests took ≤ `latency_ms[i]`."""

    variant: str
    latency_ms: tuple[float, ...]
    share: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One experiment. `phase` is the one that the numbers are narrowed to, empty for all.

    `analysis` is what the statistics say of what is shown; None where no control is known.
    `fallbacks` counts, by the variant assigned, the requests that another one answered.
    """

    line: Line
    phase: str
    analysis: Analysis | None
    checks: tuple[Check, ...]
    whole: Numbers
    variants: Mapping[str, Numbers]
    fallbacks: Mapping[str, int]
    languages: tuple[Slice, ...]
    days: tuple[Slice, ...]
    metrics: tuple[str, ...]
    phases: tuple[PhaseLine, ...]
    curves: tuple[Curve, ...]
    looks: Mapping[str, tuple[Look, ...]]
    exposed: tuple[Exposed, ...]
    by_language: tuple[LanguageEffect, ...]


def list_experiments(
    store: Store, flags: Flags, now: datetime, verdicts: Verdicts
) -> tuple[Line, ...]:
    """Give all experiments of the store and of the flag file; what needs attention comes first."""
    traffic = _by_experiment(store.traffic())
    phases = _by_experiment(store.phases())
    lines = []
    for key in dict.fromkeys((*(flags.experiments or ()), *phases, *traffic)):
        own_phases, own = phases.get(key, ()), traffic.get(key, ())
        definition = define(key, flags, own_phases)
        verdict = verdicts.of(definition, own, own_phases, now)
        lines.append(replace(_line(definition, own, own_phases, now), verdict=verdict))
    return tuple(
        sorted(
            lines, key=lambda line: (_rank(line), -_seconds(line.last_seen), line.definition.key)
        )
    )


def report(store: Store, flags: Flags, key: str, now: datetime, phase: str = "") -> Report | None:
    """Give one experiment's report, narrowed to a phase if one is named; None if it is unknown."""
    phases, seen = store.phases(key), store.seen(key)
    every = read_totals(store, key, seen)
    traffic = summary.traffic(seen, every)
    definition = define(key, flags, phases)
    line = _line(definition, traffic, phases, now)
    is_known = traffic or phases or definition.status in ("running", "disabled")
    lines = phase_lines(definition, traffic, phases)
    if not is_known or (phase and phase not in {each.phase for each in lines}):
        return None
    plan, problems = make_plan(definition, phases)
    totals, clusters = (
        [each for each in given if phase in ("", each.phase)]
        for given in (every, read_clusters(store, key, plan, seen))
    )
    analysis = analyse(plan, totals, now, clusters)
    variants = in_order(definition, summary.group(totals, lambda each: each.variant))
    by_variant = {variant: summary.numbers(each) for variant, each in variants.items()}
    fallbacks = {variant: _fallbacks(each) for variant, each in variants.items()}
    whole = summary.numbers(totals)
    return Report(
        line=line,
        phase=phase,
        analysis=analysis,
        checks=checks(
            analysis,
            requests=whole.requests,
            fallbacks=fallbacks,
            last_seen=line.last_seen,
            is_running=definition.status == "running",
            now=now,
            problems=problems,
            is_of_users=plan.unit == "user",
        ),
        whole=whole,
        variants=by_variant,
        fallbacks=fallbacks,
        languages=_slices(definition, totals, lambda each: each.language),
        days=_slices(definition, totals, lambda each: each.day.isoformat()),
        metrics=tuple(dict.fromkeys(m for each in by_variant.values() for m in each.metrics)),
        phases=lines,
        curves=_curves(variants),
        looks={} if analysis is None else looks(analysis, now),
        exposed=exposed(plan, totals, now),
        # Buckets of users know no language, and requests of users are not to be compared.
        by_language=() if plan.unit == "user" else by_language(plan, totals, now),
    )


def _by_experiment(found: Iterable[P]) -> dict[str, list[P]]:
    groups: dict[str, list[P]] = {}
    for each in found:
        groups.setdefault(each.experiment, []).append(each)
    return groups


def _line(
    definition: Definition, traffic: Sequence[Traffic], phases: Sequence[Phase], now: datetime
) -> Line:
    lines = phase_lines(definition, traffic, phases)
    requests = sum(each.requests for each in traffic)
    errors = sum(each.errors for each in traffic)
    task_type = definition.task_type or next((each.task_type for each in traffic), "")
    return Line(
        definition=replace(definition, task_type=task_type),
        verdict=None,
        split=next((each.split for each in lines if each.is_current), Split("exposures", ())),
        exposures=sum(each.exposures for each in traffic),
        requests=requests,
        errors=errors,
        error_rate=errors / requests if requests else None,
        first_seen=_seen((each.first_ns for each in traffic), min, now),
        last_seen=_seen((each.last_ns for each in traffic), max, now),
    )


def _fallbacks(totals: Iterable[Totals]) -> int:
    fallen = [each.fields for each in totals if each.served != each.variant]
    return int(sum(fields.get(schema.REQUESTS, 0.0) for fields in fallen))


def _slices(
    definition: Definition, totals: Iterable[Totals], key: Callable[[Totals], str]
) -> tuple[Slice, ...]:
    slices = []
    for name, members in sorted(summary.group(totals, key).items()):
        variants = in_order(definition, summary.group(members, lambda each: each.variant))
        slices.append(Slice(name, {v: summary.numbers(each) for v, each in variants.items()}))
    return tuple(slices)


def _curves(variants: Mapping[str, Iterable[Totals]]) -> tuple[Curve, ...]:
    curves = []
    for variant, totals in variants.items():
        latency_ms, share = summary.latencies(totals).curve()
        if latency_ms:
            curves.append(Curve(variant, tuple(latency_ms), tuple(share)))
    return tuple(curves)


def _seen(
    times_ns: Iterable[int], pick: Callable[[Sequence[int]], int], now: datetime
) -> datetime | None:
    """A time in a window is its start plus its writer's offset: it may lie a bit ahead of now."""
    times = tuple(times_ns)
    return min(moment(pick(times)), now) if times else None


def _rank(line: Line) -> int:
    """Running experiments come first, those to act on before those to wait for."""
    if line.definition.status != "running":
        return len(_ATTENTION) + 1
    kind = line.verdict.kind if line.verdict is not None else ""
    return _ATTENTION.index(kind) if kind in _ATTENTION else len(_ATTENTION)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time is not None else 0.0
