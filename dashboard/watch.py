"""Watch: looks at all running experiments, and pauses what harms a guardrail.

It acts on what runs now: on the phases in which the variants were the services that they are, and
since the experiment was last paused, by whomever. So nobody who resumes an experiment is overruled
by what was known before, and nothing is acted on twice, by however many watchers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from openfeature_triton.dashboard import watch_events
from openfeature_triton.dashboard.definitions import Flags, define
from openfeature_triton.dashboard.formats import ago
from openfeature_triton.dashboard.harm import first_harm, requests_by_variant
from openfeature_triton.dashboard.phases import moment
from openfeature_triton.dashboard.plans import analyse, make_plan, queries, sums
from openfeature_triton.dashboard.statistics import Analysis, Plan
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    PHASES,
    SEEN,
    Phase,
    Query,
    Seen,
    Store,
    Totals,
    counts_and_latencies,
)
from openfeature_triton.dashboard.watch_events import Event
from openfeature_triton.flagd_config import Experiment, FlagFileError, audit
from openfeature_triton.flagd_config.edit import read_leniently
from openfeature_triton.flagd_config.life_cycle import status, step
from openfeature_triton.flagd_config.lint import Against
from openfeature_triton.flagd_config.syntax import read_bytes
from openfeature_triton.hooks import StoreError

_log = logging.getLogger(__name__)
_RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Rules:
    """When to act, and on what.

    Args:
        min_requests: how many requests control and the harmed variant must have had, each.
        stale_after: how old the newest window may be; older data are told of, never acted on.
        dry_run: whether to say only what would be done.
    """

    min_requests: int = 100
    stale_after: timedelta = timedelta(minutes=15)
    dry_run: bool = False


class Watch:
    """Looks at the experiments of a flag file by what a store holds of them.

    Args:
        store: what was recorded.
        flags: the flag file, which is written to where an experiment is paused.
        rules: when to act.
        bucketing: the generation of flagd's hash.
        clock: gives the present time, of UTC.
        uncut: a context in which nothing may cut the process off.
    """

    def __init__(
        self,
        store: Store,
        flags: Path,
        rules: Rules,
        clock: Callable[[], datetime],
        *,
        bucketing: str = "v3",
        uncut: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._store = store
        self._flags = flags
        self._rules = rules
        self._clock = clock
        self._bucketing = bucketing
        self._uncut = uncut
        self._since: dict[tuple[str, str], datetime] = {}

    def running(self) -> tuple[Experiment, ...]:
        """Give the experiments that take requests now; raises FlagFileError."""
        document = read_leniently(self._flags, read_bytes(self._flags), self._bucketing)
        now_s = int(self._clock().timestamp())
        return tuple(
            each
            for each in document.experiments.values()
            if status(each) == _RUNNING and each.dates.hold(now_s)
        )

    def look(self) -> tuple[Event, ...]:
        """Look once; gives all that is the case, and what was done about it."""
        try:
            running, entries = self.running(), audit.read(self._flags)
        except (FlagFileError, OSError) as error:
            return (self._event(watch_events.FLAGS_UNREADABLE, "", str(error)),)
        known, now = self._since, self._clock()
        self._since = {_what(each): known.get(_what(each), now) for each in running}
        events: list[Event] = []
        for experiment in running:
            try:
                events += self._look_at(experiment, entries)
            except StoreError as error:
                return (*events, self._event(watch_events.STORE_AWAY, "", str(error)))
            except Exception as error:  # noqa: BLE001 - one experiment must not hide the others
                _log.debug("%s can't be judged", experiment.key, exc_info=True)
                problem = f"it can't be judged ({type(error).__name__})"
                events.append(self._event(watch_events.NOT_JUDGED, experiment.key, problem))
        return tuple(events)

    def _look_at(self, experiment: Experiment, entries: Sequence[audit.Entry]) -> tuple[Event, ...]:
        since_ns = _last_pause_ns(experiment.key, entries)
        (every,) = self._store.read(Query(SEEN, experiment.key))
        seen = [each for each in every if since_ns is None or each.last_ns >= since_ns]
        last = max((moment(each.last_ns) for each in seen), default=None)
        if last is None or self._clock() - last > self._rules.stale_after:
            return self._staleness(experiment, last, was_paused=since_ns is not None)
        analysis, requests = self._analysed(experiment, seen, since_ns)
        if analysis is None:
            return ()
        return (
            *self._brokenness(experiment, analysis),
            *self._harm(experiment, analysis, requests),
        )

    def _staleness(
        self, experiment: Experiment, last: datetime | None, *, was_paused: bool
    ) -> tuple[Event, ...]:
        """Tell of an experiment that runs and has no new data, once it could have had some."""
        changed = datetime.fromtimestamp(self._flags.stat().st_mtime, self._clock().tzinfo)
        since = min(changed, self._since[_what(experiment)])  # other flags change the file, too
        if self._clock() - since <= self._rules.stale_after:
            return ()
        when = f"the last came {ago(last, self._clock())}" if last else "no request was recorded"
        when += " since it was last paused" if was_paused and not last else ""
        text = f"it runs, and {when}: nothing is acted on"
        return (self._event(watch_events.STALE, experiment.key, text),)

    def _analysed(
        self, experiment: Experiment, seen: Sequence[Seen], since_ns: int | None
    ) -> tuple[Analysis | None, Mapping[str, int]]:
        """Analyse what may be acted on; gives the requests of each variant, too."""
        key = experiment.key
        (phases,) = self._store.read(Query(PHASES, key))
        flags = Flags(str(self._flags), {key: experiment})
        definition = define(key, flags, phases, self._clock())
        plan, _ = make_plan(definition, phases)
        same = {experiment.phase, *(each.phase for each in phases if _is_same(each, experiment))}
        totals, clusters = (
            [each for each in found if each.phase in same]
            for found in self._read(key, plan, seen, since_ns)
        )
        return analyse(plan, totals, self._clock(), clusters), requests_by_variant(totals)

    def _read(
        self, key: str, plan: Plan, seen: Sequence[Seen], since_ns: int | None
    ) -> tuple[Sequence[Totals], Sequence[Totals]]:
        """Read an experiment's totals, and those by buckets of users where these are the unit."""
        if since_ns is None:
            return sums(self._store.read(*queries(key, plan, seen)))
        totals = counts_and_latencies(self._store, key, step="hour", start_ns=since_ns)
        if plan.unit != "user":
            return totals, ()
        (clusters,) = self._store.read(Query(CLUSTERS, key, "hour", since_ns))
        return totals, clusters

    def _brokenness(self, experiment: Experiment, analysis: Analysis) -> tuple[Event, ...]:
        split = analysis.split
        if not split.broken:
            return ()
        numbers = {"counts": dict(split.counts), "shares": dict(split.shares), "p": split.p_value}
        text = f"its split is broken (p {split.p_value:.2g}): {analysis.verdict.reason}"
        return (self._event(watch_events.BROKEN, experiment.key, text, numbers),)

    def _harm(
        self, experiment: Experiment, analysis: Analysis, requests: Mapping[str, int]
    ) -> tuple[Event, ...]:
        harm = first_harm(analysis, requests, experiment.control, self._rules.min_requests)
        if harm is None:
            return ()
        text, numbers = harm.text(), harm.numbers()
        if self._rules.dry_run:
            return (self._event(watch_events.WOULD_PAUSE, experiment.key, text, numbers),)
        try:
            with self._uncut():
                self._pause(experiment.key, text)
        except (FlagFileError, OSError) as error:
            if not self._still_runs(experiment.key):
                return ()  # somebody else paused it just now
            text = f"{text}, and it can't be paused: {error}"
            return (self._event(watch_events.PAUSE_FAILED, experiment.key, text, numbers),)
        return (self._event(watch_events.PAUSED, experiment.key, text, numbers),)

    def _still_runs(self, key: str) -> bool:
        try:
            return any(each.key == key for each in self.running())
        except FlagFileError:
            return True  # as far as is known

    def _pause(self, key: str, text: str) -> None:
        step(self._flags, key, "pause", f"watch: {text}", Against(bucketing=self._bucketing))

    def _event(
        self, kind: str, experiment: str, text: str, numbers: Mapping[str, Any] | None = None
    ) -> Event:
        return Event(kind, experiment, self._clock(), text, numbers or {})


def _what(experiment: Experiment) -> tuple[str, str]:
    return experiment.key, experiment.definition


def _last_pause_ns(key: str, entries: Iterable[audit.Entry]) -> int | None:
    """Give when an experiment was last paused; None if it never was."""
    pauses = [each for each in entries if each.experiment == key and each.command == "pause"]
    if not pauses:
        return None
    return (int(datetime.fromisoformat(pauses[-1].time).timestamp()) + 1) * 10**9


def _is_same(phase: Phase, experiment: Experiment) -> bool:
    """Whether each variant was the service in a phase that it is now."""
    return _variants(phase.definition) == _variants(experiment.definition)


def _variants(definition: str) -> object:
    try:
        return json.loads(definition).get("variants")
    except (ValueError, AttributeError, RecursionError):
        return definition
