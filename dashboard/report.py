"""Report: what one experiment's page shows, as values; the page and its JSON are made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.breakdowns import (
    Curve,
    Slice,
    by_slice,
    by_variant,
    fallback_count,
    latency_curves,
)
from openfeature_triton.dashboard.chosen import ALL, Chosen
from openfeature_triton.dashboard.definitions import Definition, Flags, define
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
from openfeature_triton.dashboard.plans import (
    BY_VARIANT,
    analyse,
    first_day_ns,
    make_plan,
    slice_queries,
)
from openfeature_triton.dashboard.processes import Process
from openfeature_triton.dashboard.statistics import Analysis, Plan
from openfeature_triton.dashboard.store import (
    GROUP,
    LATENCIES,
    PHASES,
    SEEN,
    STEP_NS,
    Phase,
    Query,
    Seen,
    Store,
    Totals,
    Traffic,
    traffic_of,
)
from openfeature_triton.dashboard.summary import Numbers
from openfeature_triton.dashboard.validity import Check, checks


@dataclass(frozen=True, slots=True)
class Report:
    """One experiment, of which all or a part was `chosen`.

    `line`, `checks`, `phases` and `analysis`, which has the verdict, are of all of it. The rest is
    of what was chosen: `part` is what the statistics say of that (None where it is all of it), and
    `split` the newest of its phases (None without any). Both analyses are None where no control is
    known. `fallbacks` counts, by the variant assigned, the requests that another one answered.
    """

    line: Line
    chosen: Chosen
    checks: tuple[Check, ...]
    analysis: Analysis | None
    part: Analysis | None
    split: PhaseLine | None
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

    @property
    def shown(self) -> Analysis | None:
        """What the statistics say of what was chosen."""
        return self.part if self.chosen else self.analysis

    @property
    def is_broken(self) -> bool:
        """Whether a split is broken, so that no difference can be trusted."""
        return any(each is not None and each.split.broken for each in (self.analysis, self.part))


def report(
    store: Store,
    flags: Flags,
    key: str,
    now: datetime,
    *,
    chosen: Chosen = ALL,
    processes: Sequence[Process] = (),
) -> Report | None:
    """Give one experiment's report; None if it, or the phase that was chosen, is unknown.

    Args:
        store: what was recorded.
        flags: the flag file's experiments.
        key: the experiment.
        now: the present time.
        chosen: the part of it that is looked at.
        processes: the recording processes that can be seen from here.
    """
    known = _read(store, flags, key, chosen, now)
    lines = known.phase_lines()
    if not known.is_something or chosen.phase not in ("", *(each.phase for each in lines)):
        return None
    analysis = known.analyse(now)
    part = known.part(chosen)
    line = line_of(known.definition, known.traffic(), known.phases, now)
    variants = by_variant(part.definition, part.totals)
    numbers = {variant: summary.numbers(each) for variant, each in variants.items()}
    part_analysis = part.analyse(now) if chosen else None
    shown = part_analysis if chosen else analysis
    return Report(
        line=line,
        chosen=chosen,
        checks=_checks(known, line, analysis, processes, now),
        analysis=analysis,
        part=part_analysis,
        split=_split(part.phase_lines(), chosen),
        whole=summary.numbers(part.totals),
        variants=numbers,
        fallbacks=_fallbacks(part),
        languages=by_slice(part.definition, part.by_language, lambda each: each.language),
        days=by_slice(part.definition, part.totals, lambda each: each.day.isoformat()),
        metrics=tuple(dict.fromkeys(m for each in numbers.values() for m in each.metrics)),
        phases=lines,
        curves=latency_curves(variants),
        looks={} if shown is None else looks(shown, known.first_ns, now),
        exposed=exposed(part.plan, part.totals, known.first_ns, now),
        # Buckets of users know no language, and requests of users are not to be compared.
        by_language=() if part.plan.unit == "user" else by_language(part.plan, part.by_language),
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an experiment, or of a part of it."""

    definition: Definition
    seen: tuple[Seen, ...]
    phases: tuple[Phase, ...]
    plan: Plan
    problems: tuple[str, ...]
    totals: tuple[Totals, ...]
    clusters: tuple[Totals, ...]
    latencies_by_language: tuple[Totals, ...]

    @property
    def by_language(self) -> tuple[Totals, ...]:
        """Counts and latencies, both by language; the latencies of `totals` are by day."""
        return (*(each for each in self.totals if each.fields), *self.latencies_by_language)

    @property
    def is_something(self) -> bool:
        """Whether there is, or was, such an experiment."""
        return bool(self.seen or self.phases or self.definition.status in ("running", "disabled"))

    @property
    def first_ns(self) -> int:
        """When its first traffic came; 0 before."""
        return min((each.first_ns for each in self.seen), default=0)

    def part(self, chosen: Chosen) -> _Known:
        """Give what is known of a part."""
        totals, clusters = (
            tuple(each for each in given if chosen.holds(each))
            for given in (self.totals, self.clusters)
        )
        own = (each for each in self.latencies_by_language if chosen.phase in ("", each.phase))
        return replace(self, totals=totals, clusters=clusters, latencies_by_language=tuple(own))

    def analyse(self, now: datetime) -> Analysis | None:
        return analyse(self.plan, self.totals, now, self.clusters)

    def traffic(self) -> tuple[Traffic, ...]:
        return traffic_of(self.seen, self.totals)

    def phase_lines(self) -> tuple[PhaseLine, ...]:
        return phase_lines(self.definition, self.traffic(), self.phases)


def _read(store: Store, flags: Flags, key: str, chosen: Chosen, now: datetime) -> _Known:
    """Read an experiment, and the latencies by language of the days that were chosen."""
    seen, phases = store.read(Query(SEEN, key), Query(PHASES, key))
    definition = define(key, flags, phases)
    plan, problems = make_plan(definition, phases)
    if not seen:
        return _Known(definition, seen, phases, plan, problems, (), (), ())
    before, spoken, today, hours, days, *users = store.read(
        *_latencies(key, seen, chosen, now), *slice_queries(key, plan, seen, GROUP)
    )
    return _Known(
        definition,
        seen,
        phases,
        plan,
        problems,
        totals=(*hours, *days, *before, *today),
        clusters=tuple(chain.from_iterable(users)),
        latencies_by_language=(*spoken, *filter(chosen.holds, today)),
    )


def _latencies(
    key: str, seen: Sequence[Seen], chosen: Chosen, now: datetime
) -> tuple[Query, Query, Query]:
    """Ask for latencies by day, and by language in the days that were chosen; today's by both.

    By both for all days would be a hundred thousand numbers, of which a page shows these sums.
    """
    by, day_ns = (*BY_VARIANT, "language"), STEP_NS["day"]
    first_ns, today_ns = first_day_ns(seen), int(now.timestamp()) * 10**9 // day_ns * day_ns
    start_ns, end_ns = chosen.range_ns
    end_ns = today_ns if end_ns is None else min(end_ns, today_ns)
    return (
        Query(LATENCIES, key, "day", first_ns, today_ns, BY_VARIANT),
        Query(LATENCIES, key, "all", max(first_ns, start_ns or 0), end_ns, by),
        Query(LATENCIES, key, "day", today_ns, None, by),
    )


def _checks(
    known: _Known,
    line: Line,
    analysis: Analysis | None,
    processes: Sequence[Process],
    now: datetime,
) -> tuple[Check, ...]:
    return checks(
        analysis,
        requests=line.requests,
        fallbacks=_fallbacks(known),
        last_seen=line.last_seen,
        is_running=known.definition.status == "running",
        now=now,
        problems=known.problems,
        is_of_users=known.plan.unit == "user",
        losses=add_up(processes, line.first_seen),
    )


def _fallbacks(known: _Known) -> dict[str, int]:
    variants = by_variant(known.definition, known.totals)
    return {variant: fallback_count(each) for variant, each in variants.items()}


def _split(lines: Sequence[PhaseLine], chosen: Chosen) -> PhaseLine | None:
    """Give the phase whose split is shown: the chosen one, or the newest that has something."""
    if chosen.phase:
        return next(each for each in lines if each.phase == chosen.phase)
    current = next((each for each in lines if each.is_current), None)
    if not chosen.is_range:
        return current
    return next((each for each in lines if any(s.count for s in each.split.shares)), current)
