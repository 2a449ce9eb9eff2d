"""Remembering: a store whose closed windows are read once, so that a page costs what is new.

Late windows of a long outage may come for any time, so nothing is remembered for ever: the older
the time, the longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar, cast

from openfeature_triton.dashboard import adding
from openfeature_triton.dashboard.store import (
    STEP_NS,
    Evaluations,
    Phase,
    Seen,
    Step,
    Store,
    Totals,
    Traffic,
)

T = TypeVar("T")

CLOSED_S = 600.0
"""For how long days before yesterday are remembered."""

RECENT_S = 60.0
"""For how long yesterday and today are remembered, up to the last whole hour."""

FRESH_S = 10.0
"""For how long the rest is, as often as recorders write; its latencies for `RECENT_S`.

A histogram has a hundred times the fields, and a quantile of days moves little in a minute.
"""

MAX_KEPT = 200_000
"""How many values are remembered, of one group and slice of time each."""


class Stretch(NamedTuple):
    """A stretch of time, None for no end, and for how long it is remembered."""

    start_ns: int | None
    end_ns: int | None
    kept_s: float


@dataclass(slots=True)
class _Kept:
    """What is being read, or was, and until when it is remembered."""

    until_s: float
    found: Future[tuple[object, ...]] = field(default_factory=Future)

    def size(self) -> int:
        return 1 + (len(self.found.result()) if self.found.done() else 0)


class RememberingStore:
    """Reads another store, and remembers; safe to use from many threads.

    Args:
        store: what to read.
        clock: the present time, in UTC.
        clock_s: a monotonic clock.
        max_kept: how many values are remembered, of one group and slice of time each.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        clock_s: Callable[[], float] = time.monotonic,
        max_kept: int = MAX_KEPT,
    ) -> None:
        self._store = store
        self._clock = clock
        self._clock_s = clock_s
        self._kept: dict[Hashable, _Kept] = {}
        self._lock = threading.Lock()
        self._max_kept = max_kept

    def seen(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Seen, ...]:
        """Say when all experiments, or one, had traffic, by phase and variant: quickly."""
        return adding.seen(
            self._stretches(
                ("seen", experiment),
                lambda start, end: self._store.seen(experiment, start_ns=start, end_ns=end),
                start_ns,
                end_ns,
            )
        )

    def traffic(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""
        return adding.traffic(
            self._stretches(
                ("traffic", experiment),
                lambda start, end: self._store.traffic(experiment, start_ns=start, end_ns=end),
                start_ns,
                end_ns,
            )
        )

    def counts(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the fields of `inference_light` by day or by hour; () for an unknown experiment."""
        return self._totals(self._store.counts, experiment, step, start_ns, end_ns)

    def latencies(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's histograms of latency by day or by hour, without fields."""
        return self._totals(
            self._store.latencies, experiment, step, start_ns, end_ns, at_least_s=RECENT_S
        )

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user."""
        return self._totals(self._store.clusters, experiment, step, start_ns, end_ns)

    def evaluations(
        self, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""
        return adding.evaluations(
            self._stretches(
                "evaluations",
                lambda start, end: self._store.evaluations(start_ns=start, end_ns=end),
                start_ns,
                end_ns,
            )
        )

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""
        return self._remember(
            ("phases", experiment), FRESH_S, lambda: self._store.phases(experiment)
        )

    def size(self) -> int:
        """Say how many values are remembered."""
        return sum(kept.size() for kept in self._kept.values())

    def close(self) -> None:
        """Forget, and let go of connections."""
        with self._lock:
            self._kept.clear()
        self._store.close()

    def _totals(
        self,
        read: Callable[..., tuple[Totals, ...]],
        experiment: str,
        step: Step,
        start_ns: int | None,
        end_ns: int | None,
        *,
        at_least_s: float = 0.0,
    ) -> tuple[Totals, ...]:
        return adding.totals(
            self._stretches(
                (read, experiment, step),
                lambda start, end: read(experiment, step=step, start_ns=start, end_ns=end),
                start_ns,
                end_ns,
                at_least_s=at_least_s,
            )
        )

    def _stretches(
        self,
        key: Hashable,
        read: Callable[[int | None, int | None], tuple[T, ...]],
        start_ns: int | None,
        end_ns: int | None,
        *,
        at_least_s: float = 0.0,
    ) -> Iterator[tuple[T, ...]]:
        """Give what each stretch of time holds, read or remembered."""
        for start, end, kept_s in stretches(self._clock(), start_ns, end_ns):
            for_s = max(kept_s, at_least_s)
            yield self._remember((key, start, end), for_s, partial(read, start, end))

    def _remember(
        self, key: Hashable, kept_s: float, read: Callable[[], tuple[T, ...]]
    ) -> tuple[T, ...]:
        """Whoever asks while it is being read waits for that. An error is not remembered."""
        now_s = self._clock_s()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and now_s < kept.until_s:
                mine = None
            else:
                self._make_room(now_s)
                mine = kept = self._kept[key] = _Kept(now_s + kept_s)
        if mine is not None:
            self._read(key, mine, read)
        return cast("tuple[T, ...]", kept.found.result())

    def _read(self, key: Hashable, kept: _Kept, read: Callable[[], tuple[object, ...]]) -> None:
        try:
            kept.found.set_result(read())
        except BaseException as error:  # noqa: BLE001 - it is raised to all who wait
            with self._lock:
                if self._kept.get(key) is kept:
                    del self._kept[key]
            kept.found.set_exception(error)

    def _make_room(self, now_s: float) -> None:
        """Forget what is too old, and, where there is too much, what was read first."""
        for key in [key for key, kept in self._kept.items() if kept.until_s <= now_s]:
            del self._kept[key]
        size = self.size()
        while size >= self._max_kept:
            size -= self._kept.pop(next(iter(self._kept))).size()


def stretches(now: datetime, start_ns: int | None, end_ns: int | None) -> list[Stretch]:
    """Part a time into what is closed, what is recent, and what is still being written."""
    now_ns, hour_ns, day_ns = int(now.timestamp()) * 10**9, STEP_NS["hour"], STEP_NS["day"]
    cuts = (
        ((now_ns // day_ns - 1) * day_ns, CLOSED_S),
        ((now_ns // hour_ns - 1) * hour_ns, RECENT_S),
        (None, FRESH_S),
    )
    found, at = [], start_ns
    for cut_ns, kept_s in cuts:
        until = end_ns if cut_ns is None or (end_ns is not None and end_ns < cut_ns) else cut_ns
        if at is None or until is None or at < until:
            found.append(Stretch(at, until, kept_s))
            at = until
        if until == end_ns:
            break
    return found
