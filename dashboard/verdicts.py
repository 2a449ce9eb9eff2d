"""Verdicts: of all experiments at once, each remembered until its numbers have changed.

A list of a hundred running experiments would wait for a hundred analyses each time; so one that
changed is worked out again beside the page, which shows what was known, unless that is old.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openfeature_triton.dashboard.definitions import Definition
from openfeature_triton.dashboard.plans import analyse, make_plan, read_clusters, read_totals
from openfeature_triton.dashboard.statistics import Verdict
from openfeature_triton.dashboard.store import Phase, Store, Traffic

FRESH_S = 30.0
"""For how long a verdict is shown after its numbers have changed."""

OLD_S = 300.0
"""After how long the page waits for a new one."""

_MAX_KEPT = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a verdict is asked of."""

    definition: Definition
    traffic: tuple[Traffic, ...]
    phases: tuple[Phase, ...]
    now: datetime

    @property
    def state(self) -> object:
        """What a verdict depends on: while this stays, so does the verdict."""
        return self.definition.text, self.traffic


@dataclass(frozen=True, slots=True)
class _Kept:
    state: object
    at_s: float
    verdict: Verdict | None


class Verdicts:
    """Gives an experiment's verdict; safe to use from many threads.

    Args:
        store: what was recorded.
        clock_s: a monotonic clock.
    """

    def __init__(self, store: Store, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._kept: dict[str, _Kept] = {}
        self._waiting: dict[str, _Question] = {}
        self._is_working = False
        self._lock = threading.Lock()

    def of(
        self,
        definition: Definition,
        traffic: Sequence[Traffic],
        phases: Sequence[Phase],
        now: datetime,
    ) -> Verdict | None:
        """Give the verdict; None where there is no traffic, or no control to compare with."""
        if not traffic or not definition.control:
            return None
        asked = _Question(definition, tuple(traffic), tuple(phases), now)
        with self._lock:
            kept = self._kept.get(definition.key)
        age_s = self._clock_s() - kept.at_s if kept is not None else OLD_S
        if kept is None or (kept.state != asked.state and age_s >= OLD_S):
            return self._answer(asked)
        if kept.state != asked.state and age_s >= FRESH_S:
            self._answer_later(asked)
        return kept.verdict

    def _answer(self, asked: _Question) -> Verdict | None:
        key, traffic = asked.definition.key, asked.traffic
        plan, _ = make_plan(asked.definition, asked.phases)
        totals = read_totals(self._store, key, traffic)
        clusters = read_clusters(self._store, key, plan, traffic)
        analysis = analyse(plan, totals, asked.now, clusters)
        verdict = None if analysis is None else analysis.verdict
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = _Kept(asked.state, self._clock_s(), verdict)
            while len(self._kept) > _MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return verdict

    def _answer_later(self, asked: _Question) -> None:
        with self._lock:
            self._waiting[asked.definition.key] = asked
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, name="oft-verdicts", daemon=True).start()

    def _work(self) -> None:
        """Answer what waits, and end: nothing is held while nobody looks."""
        while (asked := self._next()) is not None:
            try:
                self._answer(asked)
            except Exception as error:  # noqa: BLE001 - one that fails holds up no other
                _log.warning("no new verdict of %s: %s", asked.definition.key, error)

    def _next(self) -> _Question | None:
        with self._lock:
            if not self._waiting:
                self._is_working = False
                return None
            return self._waiting.pop(next(iter(self._waiting)))
