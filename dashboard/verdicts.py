"""Verdicts: of all experiments at once, each remembered until its numbers have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from openfeature_triton.dashboard.definitions import Definition
from openfeature_triton.dashboard.plans import analyse, make_plan, read_clusters, read_totals
from openfeature_triton.dashboard.statistics import Verdict
from openfeature_triton.dashboard.store import Phase, Store, Traffic

FRESH_S = 30.0
"""For how long a verdict is shown after its numbers have changed."""

_MAX_KEPT = 1000


class Verdicts:
    """Gives an experiment's verdict; safe to use from many threads.

    Args:
        store: what was recorded.
        clock_s: a monotonic clock.
    """

    def __init__(self, store: Store, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._kept: dict[str, tuple[object, float, Verdict | None]] = {}
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
        state = (definition.text, tuple(traffic))
        with self._lock:
            kept = self._kept.get(definition.key)
        if kept is not None and (kept[0] == state or self._clock_s() - kept[1] < FRESH_S):
            return kept[2]
        plan, _ = make_plan(definition, phases)
        totals = read_totals(self._store, definition.key, traffic)
        clusters = read_clusters(self._store, definition.key, plan, traffic)
        analysis = analyse(plan, totals, now, clusters)
        verdict = None if analysis is None else analysis.verdict
        with self._lock:
            self._kept.pop(definition.key, None)
            self._kept[definition.key] = (state, self._clock_s(), verdict)
            while len(self._kept) > _MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return verdict
