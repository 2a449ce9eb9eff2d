"""Report: what one experiment's page shows, as values; the page and its JSON are made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.breakdowns import (
    Curve,
    Slice,
    by_slice,
    by_variant,
    fallback_count,
    latency_curves,
)
from openfeature_triton.dashboard.definitions import Flags, define
from openfeature_triton.dashboard.developments import (
    Exposed,
    LanguageEffect,
    Look,
    by_language,
    exposed,
    looks,
)
from openfeature_triton.dashboard.listing import Line, line_of
from openfeature_triton.dashboard.losses import add_up
from openfeature_triton.dashboard.phases import PhaseLine, phase_lines
from openfeature_triton.dashboard.plans import analyse, make_plan, read_clusters, read_totals
from openfeature_triton.dashboard.processes import Process
from openfeature_triton.dashboard.statistics import Analysis
from openfeature_triton.dashboard.store import PHASES, SEEN, Query, Store, traffic_of
from openfeature_triton.dashboard.summary import Numbers
from openfeature_triton.dashboard.validity import Check, checks


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


def report(
    store: Store,
    flags: Flags,
    key: str,
    now: datetime,
    *,
    phase: str = "",
    processes: Sequence[Process] = (),
) -> Report | None:
    """Give one experiment's report; None if it is unknown.

    Args:
        store: what was recorded.
        flags: the flag file's experiments.
        key: the experiment.
        now: the present time.
        phase: the one to narrow to, if any.
        processes: the recording processes that can be seen from here.
    """
    seen, phases = store.read(Query(SEEN, key), Query(PHASES, key))
    every = read_totals(store, key, seen)
    traffic = traffic_of(seen, every)
    definition = define(key, flags, phases)
    line = line_of(definition, traffic, phases, now)
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
    variants = by_variant(definition, totals)
    numbers = {variant: summary.numbers(each) for variant, each in variants.items()}
    fallbacks = {variant: fallback_count(each) for variant, each in variants.items()}
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
            losses=add_up(processes, line.first_seen),
        ),
        whole=whole,
        variants=numbers,
        fallbacks=fallbacks,
        languages=by_slice(definition, totals, lambda each: each.language),
        days=by_slice(definition, totals, lambda each: each.day.isoformat()),
        metrics=tuple(dict.fromkeys(m for each in numbers.values() for m in each.metrics)),
        phases=lines,
        curves=latency_curves(variants),
        looks={} if analysis is None else looks(analysis, now),
        exposed=exposed(plan, totals, now),
        # Buckets of users know no language, and requests of users are not to be compared.
        by_language=() if plan.unit == "user" else by_language(plan, totals),
    )
