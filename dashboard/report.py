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
from openfeature_triton.dashboard.chosen import ALL, Chosen
from openfeature_triton.dashboard.definitions import Flags
from openfeature_triton.dashboard.developments import (
    Exposed,
    LanguageEffect,
    Look,
    by_language,
    exposed,
    looks,
)
from openfeature_triton.dashboard.known import Known, read_known
from openfeature_triton.dashboard.listing import Line, line_of
from openfeature_triton.dashboard.losses import add_up
from openfeature_triton.dashboard.phases import PhaseLine
from openfeature_triton.dashboard.processes import Process
from openfeature_triton.dashboard.statistics import Analysis
from openfeature_triton.dashboard.store import Store
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
    known = read_known(store, flags, key, chosen, now)
    phases = known.phase_lines()
    names = {each.phase for each in phases}
    if not known.is_something or (chosen.phase and chosen.phase not in names):
        return None
    return _report(known, phases, chosen, processes, now)


def _report(
    known: Known,
    phases: tuple[PhaseLine, ...],
    chosen: Chosen,
    processes: Sequence[Process],
    now: datetime,
) -> Report:
    part, analysis = known.part(chosen), known.analyse(now)
    line = line_of(known.definition, known.traffic(), phases, now)
    variants = by_variant(part.definition, part.by_day)
    numbers = {variant: summary.numbers(each) for variant, each in variants.items()}
    part_analysis = part.analyse(now) if chosen else None
    shown = part_analysis if chosen else analysis
    return Report(
        line=line,
        chosen=chosen,
        checks=_checks(known, line, analysis, processes, now),
        analysis=analysis,
        part=part_analysis,
        split=_split(part.phase_lines() if chosen else phases, chosen),
        whole=summary.numbers(part.by_day),
        variants=numbers,
        fallbacks=_fallbacks(part),
        languages=by_slice(part.definition, part.by_language, lambda each: each.language),
        days=by_slice(part.definition, part.by_day, lambda each: each.day.isoformat()),
        metrics=tuple(dict.fromkeys(m for each in numbers.values() for m in each.metrics)),
        phases=phases,
        curves=latency_curves(variants),
        looks={} if shown is None else looks(shown, known.first_ns, now),
        exposed=exposed(part.plan, part.slices, known.first_ns, now),
        # Buckets of users know no language, and requests of users are not to be compared.
        by_language=() if part.plan.unit == "user" else by_language(part.plan, part.by_language),
    )


def _checks(
    known: Known,
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


def _fallbacks(known: Known) -> dict[str, int]:
    variants = by_variant(known.definition, known.days)
    return {variant: fallback_count(each) for variant, each in variants.items()}


def _split(lines: Sequence[PhaseLine], chosen: Chosen) -> PhaseLine | None:
    """Give the phase whose split is shown: the chosen one, or the newest that has something."""
    if chosen.phase:
        return next(each for each in lines if each.phase == chosen.phase)
    current = next((each for each in lines if each.is_current), None)
    if not chosen.is_range:
        return current
    return next((each for each in lines if any(s.count for s in each.split.shares)), current)
