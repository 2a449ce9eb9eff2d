"""Remembering: a store whose closed days are read once, so that a page costs what is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TypeVar, cast

from openfeature_triton.dashboard.store import (
    STEP_NS,
    Evaluations,
    Phase,
    Step,
    Store,
    Totals,
    Traffic,
)

T = TypeVar("T")

CLOSED_S = 600.0
"""For how long closed days are remembered: points of a long outage may still come for them."""

FRESH_S = 10.0
"""For how long the rest is: as often as recorders write."""

_MAX_KEPT = 2000


class RememberingStore:
    """Reads another store, and remembers; safe to use from many threads.

    Args:
        store: what to read.
        clock: the present time, in UTC: days before yesterday are closed.
        clock_s: a monotonic clock.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._clock_s = clock_s
        self._kept: dict[Hashable, tuple[float, object]] = {}
        self._lock = threading.Lock()

    def traffic(self, experiment: str | None = None) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""
        everything = self._remember(("traffic", None), FRESH_S, self._store.traffic)
        if experiment is None:
            return everything
        if experiment == "":
            return self._store.traffic("")
        return tuple(each for each in everything if each.experiment == experiment)

    def totals(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the totals of one experiment by day or by hour; () for an unknown one."""
        return self._days(self._store.totals, experiment, step, start_ns, end_ns)

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user."""
        return self._days(self._store.clusters, experiment, step, start_ns, end_ns)

    def _days(
        self,
        ask: Callable[..., tuple[Totals, ...]],
        experiment: str,
        step: Step,
        start_ns: int | None,
        end_ns: int | None,
    ) -> tuple[Totals, ...]:
        """Read closed days and the rest apart, each kept for as long as it may be."""
        day_ns = STEP_NS["day"]
        cut_ns = (int(self._clock().timestamp()) * 10**9 // day_ns - 1) * day_ns

        def read(start: int | None, end: int | None, kept_s: float) -> tuple[Totals, ...]:
            return self._remember(
                (ask, experiment, step, start, end),
                kept_s,
                lambda: ask(experiment, step=step, start_ns=start, end_ns=end),
            )

        if end_ns is not None and end_ns <= cut_ns:
            return read(start_ns, end_ns, CLOSED_S)
        if start_ns is not None and start_ns >= cut_ns:
            return read(start_ns, end_ns, FRESH_S)
        return read(start_ns, cut_ns, CLOSED_S) + read(cut_ns, end_ns, FRESH_S)

    def evaluations(self) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""
        return self._remember(("evaluations",), FRESH_S, self._store.evaluations)

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""
        found = self._remember(("phases",), FRESH_S, self._store.phases)
        return tuple(each for each in found if experiment in (None, each.experiment))

    def close(self) -> None:
        """Forget, and let go of connections."""
        with self._lock:
            self._kept.clear()
        self._store.close()

    def _remember(self, key: Hashable, kept_s: float, read: Callable[[], T]) -> T:
        """An error is not remembered: the next page tries again."""
        now_s = self._clock_s()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now_s - kept[0] < kept_s:
            return cast("T", kept[1])
        found = read()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (now_s, found)
            while len(self._kept) > _MAX_KEPT:  # the oldest go first
                self._kept.pop(next(iter(self._kept)))
        return found
