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
from itertools import chain

from openfeature_triton.dashboard.definitions import Definition
from openfeature_triton.dashboard.plans import analyse, make_plan, queries, sums
from openfeature_triton.dashboard.statistics import Verdict
from openfeature_triton.dashboard.store import Phase, Store, Traffic

FRESH_S = 30.0
"""For how long a verdict is shown after its numbers have changed."""

OLD_S = 300.0
"""After how long the page waits for a new one."""

_MAX_KEPT = 1000
_AT_ONCE = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a verdict is asked of."""

    definition: Definition
    traffic: Sequence[Traffic]
    phases: Sequence[Phase]
    now: datetime

    @property
    def state(self) -> object:
        """What a verdict depends on: while this stays, so does the verdict."""
        return self.definition.text, self.definition.may_run, tuple(self.traffic)


@dataclass(frozen=True, slots=True)
class _Kept:
    state: object
    at_s: float
    verdict: Verdict | None


class Verdicts:
    """Gives experiments' verdicts; safe to use from many threads.

    Args:
        store: what was recorded.
        clock_s: a monotonic clock.
    """

    def __init__(self, store: Store, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._kept: dict[str, _Kept] = {}
        self._waiting: dict[str, Question] = {}
        self._is_working = False
        self._lock = threading.Lock()

    def of(self, questions: Sequence[Question]) -> list[Verdict | None]:
        """Give each verdict; None where there is no traffic, or no control to compare with."""
        able = [each for each in questions if each.traffic and each.definition.control]
        now_s = self._clock_s()
        with self._lock:
            known = {each.definition.key: self._kept.get(each.definition.key) for each in able}
        missing: list[Question] = []
        changed: list[Question] = []
        for each in able:
            kept = known[each.definition.key]
            has_changed = kept is None or kept.state != each.state
            age_s = OLD_S if kept is None else now_s - kept.at_s
            if has_changed and age_s >= FRESH_S:
                (missing if age_s >= OLD_S else changed).append(each)
        self._answer_later(changed)
        verdicts = {key: kept.verdict for key, kept in known.items() if kept is not None}
        for start in range(0, len(missing), _AT_ONCE):
            verdicts |= self._answer(missing[start : start + _AT_ONCE])
        return [verdicts.get(each.definition.key) for each in questions]

    def _answer(self, asked: Sequence[Question]) -> dict[str, Verdict | None]:
        """Read at once what all need, and give the verdict of each by its experiment."""
        plans = [make_plan(each.definition, each.phases)[0] for each in asked]
        wanted = [
            queries(each.definition.key, plan, each.traffic)
            for each, plan in zip(asked, plans, strict=True)
        ]
        found = iter(self._store.read(*chain.from_iterable(wanted)))
        verdicts: dict[str, Verdict | None] = {}
        for each, plan, own in zip(asked, plans, wanted, strict=True):
            totals, clusters = sums([next(found) for _ in own])
            analysis = analyse(plan, totals, each.now, clusters)
            verdict = None if analysis is None else analysis.verdict
            verdicts[each.definition.key] = verdict
            self._keep(each, verdict)
        return verdicts

    def _keep(self, asked: Question, verdict: Verdict | None) -> None:
        with self._lock:
            self._kept.pop(asked.definition.key, None)
            self._kept[asked.definition.key] = _Kept(asked.state, self._clock_s(), verdict)
            while len(self._kept) > _MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))

    def _answer_later(self, asked: Sequence[Question]) -> None:
        with self._lock:
            self._waiting |= {each.definition.key: each for each in asked}
            if self._waiting and not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, name="oft-verdicts", daemon=True).start()

    def _work(self) -> None:
        """Answer what waits, and end: nothing is held while nobody looks."""
        while (asked := self._next()) is not None:
            try:
                self._answer([asked])
            except Exception as error:  # noqa: BLE001 - one that fails holds up no other
                _log.warning("no new verdict of %s: %s", asked.definition.key, error)

    def _next(self) -> Question | None:
        with self._lock:
            if not self._waiting:
                self._is_working = False
                return None
            return self._waiting.pop(next(iter(self._waiting)))
