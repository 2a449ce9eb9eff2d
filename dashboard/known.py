"""Known: what the store and the flag file say of one experiment, read once for all of its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from openfeature_triton.dashboard.chosen import Chosen
from openfeature_triton.dashboard.definitions import Definition, Flags, define
from openfeature_triton.dashboard.phases import PhaseLine, phase_lines
from openfeature_triton.dashboard.plans import (
    BY_VARIANT,
    analyse,
    first_day_ns,
    make_plan,
    slice_queries,
)
from openfeature_triton.dashboard.statistics import Analysis, Plan
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    COUNTS,
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


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an experiment, or of a part of it.

    `days` are counts by day and by all tags; `slices` and `clusters`, by variant, are those that it
    is looked at in; `latencies` are by day and variant, `spoken` by language.
    """

    definition: Definition
    seen: tuple[Seen, ...]
    phases: tuple[Phase, ...]
    plan: Plan
    problems: tuple[str, ...]
    days: tuple[Totals, ...]
    slices: tuple[Totals, ...] = ()
    clusters: tuple[Totals, ...] = ()
    latencies: tuple[Totals, ...] = ()
    spoken: tuple[Totals, ...] = ()

    @property
    def is_something(self) -> bool:
        """Whether there is, or was, such an experiment."""
        return bool(self.seen or self.phases or self.definition.is_in_file)

    @property
    def first_ns(self) -> int:
        """When its first traffic came; 0 before."""
        return min((each.first_ns for each in self.seen), default=0)

    @property
    def by_day(self) -> tuple[Totals, ...]:
        """Counts and latencies by day."""
        return (*self.days, *self.latencies)

    @property
    def by_language(self) -> tuple[Totals, ...]:
        """Counts and latencies by language; the counts by day too."""
        return (*self.days, *self.spoken)

    def part(self, chosen: Chosen) -> Known:
        """Give what is known of a part; of its days alone `spoken` was read."""
        if not chosen:
            return self
        days, slices, clusters, latencies = (
            tuple(filter(chosen.holds, given))
            for given in (self.days, self.slices, self.clusters, self.latencies)
        )
        spoken = tuple(each for each in self.spoken if chosen.phase in ("", each.phase))
        return replace(
            self, days=days, slices=slices, clusters=clusters, latencies=latencies, spoken=spoken
        )

    def analyse(self, now: datetime) -> Analysis | None:
        """Analyse it; None where no control is known."""
        return analyse(self.plan, (*self.slices, *self.latencies), now, self.clusters)

    def traffic(self) -> tuple[Traffic, ...]:
        """Give the traffic of each variant in each phase."""
        return traffic_of(self.seen, self.days)

    def phase_lines(self) -> tuple[PhaseLine, ...]:
        """Give its phases, the newest first."""
        return phase_lines(self.definition, self.traffic(), self.phases)


def read_known(store: Store, flags: Flags, key: str, chosen: Chosen, now: datetime) -> Known:
    """Read an experiment; the latencies by language of what was chosen only."""
    seen, phases, days = store.read(Query(SEEN, key), Query(PHASES, key), Query(COUNTS, key))
    definition = define(key, flags, phases, now)
    plan, problems = make_plan(definition, phases)
    known = Known(definition, seen, phases, plan, problems, days)
    if not seen:
        return known
    hours, later = slice_queries(COUNTS, key, seen)
    users = slice_queries(CLUSTERS, key, seen) if plan.unit == "user" else ()
    first, before, spoken, today, *clusters = store.read(
        hours, *_latencies(key, seen, chosen, now), *users
    )
    return replace(
        known,
        slices=(*first, *(each for each in days if each.start_ns >= (later.start_ns or 0))),
        clusters=tuple(chain.from_iterable(clusters)),
        latencies=(*before, *today),
        spoken=(*spoken, *filter(chosen.holds, today)),
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
