"""Remembering: a store whose closed windows are read once, so that a page costs what is new.

Late windows of a long outage may come for any time, so nothing is remembered for ever: the older
the time, the longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from openfeature_triton.dashboard import adding
from openfeature_triton.dashboard.store import (
    LATENCIES,
    PHASES,
    SEEN,
    STEP_NS,
    Query,
    Store,
)

CLOSED_S = 600.0
"""For how long a day is remembered that ended two hours ago: it may well be merged by then."""

RECENT_S = 60.0
"""For how long the days after it are remembered, up to the last whole hour."""

FRESH_S = 10.0
"""For how long the rest is, as often as recorders write; for `RECENT_S` what hardly changes.

That is a quantile of days, and a histogram has a hundred times the fields; phases, as the flag file
says what is in force; and when a variant was first and last seen, to a window of five minutes.
"""

MAX_KEPT = 200_000
"""How many values are remembered, of one group and slice of time each."""

_CLOSED_AFTER_NS = 2 * STEP_NS["hour"]


class Stretch(NamedTuple):
    """A stretch of time, None for no end, and for how long it is remembered."""

    start_ns: int | None
    end_ns: int | None
    kept_s: float


@dataclass(slots=True)
class _Kept:
    """What is being read, or was, and until when it is remembered."""

    until_s: float
    found: Future[tuple[Any, ...]] = field(default_factory=Future)

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
        self._kept: dict[Query, _Kept] = {}
        self._lock = threading.Lock()
        self._max_kept = max_kept

    def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
        """Give what each query asks for; what of it is not remembered is read at once."""
        parts = [self._parts(query) for query in queries]
        found = iter(self._found([*chain.from_iterable(parts)]))
        return tuple(
            adding.add(query, [next(found) for _ in own])
            for query, own in zip(queries, parts, strict=True)
        )

    def size(self) -> int:
        """Say how many values are remembered."""
        return sum(kept.size() for kept in self._kept.values())

    def close(self) -> None:
        """Forget, and let go of connections."""
        with self._lock:
            self._kept.clear()
        self._store.close()

    def _parts(self, query: Query) -> list[tuple[Query, float]]:
        """Part a query by how long what it asks for is remembered."""
        if query.what == PHASES:
            return [(query, RECENT_S)]
        fresh_s = RECENT_S if query.what in (LATENCIES, SEEN) else FRESH_S
        found = stretches(self._clock(), query.start_ns, query.end_ns, fresh_s)
        return [(replace(query, start_ns=s, end_ns=e), kept_s) for s, e, kept_s in found]

    def _found(self, parts: Sequence[tuple[Query, float]]) -> list[tuple[Any, ...]]:
        """Whoever asks for what is being read waits for that."""
        now_s, kept, mine = self._clock_s(), [], {}
        with self._lock:
            for query, kept_s in parts:
                found = self._kept.get(query)
                if found is None or found.until_s <= now_s:
                    found = mine[query] = self._kept[query] = _Kept(now_s + kept_s)
                kept.append(found)
            if mine:
                self._make_room(now_s)
        if mine:
            self._read(mine, now_s + FRESH_S)
        return [each.found.result() for each in kept]

    def _read(self, mine: Mapping[Query, _Kept], soon_s: float) -> None:
        """Read at once what is missing; an error is raised to all who wait, and not remembered.

        Where nothing came yet, the first may come any moment: that is asked for again soon.
        """
        try:
            for (query, kept), found in zip(mine.items(), self._store.read(*mine), strict=True):
                if not found and query.end_ns is None:
                    kept.until_s = min(kept.until_s, soon_s)
                kept.found.set_result(found)
        except BaseException as error:
            with self._lock:
                for query, kept in mine.items():
                    if self._kept.get(query) is kept:
                        del self._kept[query]
            for kept in mine.values():
                if not kept.found.done():  # an interrupt may come between two results
                    kept.found.set_exception(error)
            if not isinstance(error, Exception):
                raise

    def _make_room(self, now_s: float) -> None:
        """Forget what is too old, and, where there is too much, what was read first."""
        for key in [key for key, kept in self._kept.items() if kept.until_s <= now_s]:
            del self._kept[key]
        size = self.size()
        while size >= self._max_kept:
            size -= self._kept.pop(next(iter(self._kept))).size()


def stretches(
    now: datetime, start_ns: int | None, end_ns: int | None, fresh_s: float = FRESH_S
) -> list[Stretch]:
    """Part a time into what is closed, what is recent, and what is still being written."""
    now_ns, hour_ns, day_ns = int(now.timestamp()) * 10**9, STEP_NS["hour"], STEP_NS["day"]
    closed_ns = (now_ns - _CLOSED_AFTER_NS) // day_ns * day_ns
    cuts: list[tuple[int | None, float]] = [(closed_ns, CLOSED_S)]
    if fresh_s < RECENT_S:
        cuts.append(((now_ns // hour_ns - 1) * hour_ns, RECENT_S))
    found, at = [], start_ns
    for cut_ns, kept_s in (*cuts, (None, fresh_s)):
        until = end_ns if cut_ns is None or (end_ns is not None and end_ns < cut_ns) else cut_ns
        if at is None or until is None or at < until:
            found.append(Stretch(at, until, kept_s))
            at = until
        if until == end_ns:
            break
    return found
