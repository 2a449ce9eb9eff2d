"""Spool: what InfluxDB has not taken yet, in one SQLite file of one process.

A table of windows, not a log: a point that was not delivered is replaced by its newer value, so a
long outage costs no more room than the windows it spans. Raw points queue beside it. Each call
is one transaction; the caller sees to it that two calls never meet.

A window is in doubt when a request that held it got no answer: InfluxDB may store that value later,
over a newer one. So it is held when it is delivered, and taken once more when the doubt is over.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.breath import with_breaths
from openfeature_triton.hooks.line_protocol import FieldValue, join, series_key
from openfeature_triton.hooks.sink import Point
from openfeature_triton.hooks.spool_file import SpoolFile

SPOOL_FULL_RAW = "spool_full_raw"
SPOOL_FULL = "spool_full"
"""Why something was dropped: a raw point, or outcomes with their window."""

_PUT = """
INSERT INTO points (series, time_ns, fields, raw, outcomes, spooled_s) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (series, time_ns) DO UPDATE SET
    fields = json_patch(fields, excluded.fields),
    outcomes = outcomes + excluded.outcomes,
    version = version + 1,
    held = 0
"""
_TAKE = """
SELECT id, version, series, time_ns, fields, outcomes, raw, doubt_s > :now_s FROM points
WHERE raw = :raw AND (held = 0 OR doubt_s <= :now_s)
"""
_DOUBT_ALL = "UPDATE points SET doubt_s = 9e999 WHERE NOT (held OR raw)"
_ROOM_LEFT = 0.9  # of the limit: so that making room is rare
_MAX_BATCH_BYTES = 4_000_000


Row = tuple[str, int, str, bool, int, float]
"""A point as it is put in: series, time_ns, fields, whether it is raw, outcomes, when it came."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One point as it waits; `outcomes` are those that InfluxDB has not heard of."""

    id: int
    version: int
    series: str
    time_ns: int
    fields: str
    outcomes: int
    raw: bool
    in_doubt: bool
    """Whether an older value may be stored after it."""

    @property
    def line(self) -> str:
        """The point in line protocol."""
        fields: dict[str, FieldValue] = json.loads(self.fields)
        return join(self.series, fields, self.time_ns)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits in a spool; `oldest_s` is when its oldest point came (since 1970).

    `held` points do not wait: they are delivered, and kept to be sent once more.
    """

    points: int = 0
    raw_points: int = 0
    outcomes: int = 0
    oldest_s: float | None = None
    held: int = 0


class _Dropped(NamedTuple):
    """A point that had to go."""

    id: int
    time_ns: int
    outcomes: int


class Spool:
    """Keeps points until they are delivered.

    Args:
        path: its file, made with the first point; None keeps the points in memory.
        max_bytes: size of the file; beyond it the oldest raw points go first, then the oldest
            windows.

    Each call raises sqlite3.Error if the disk fails, and ForeignSpoolError if the file is no spool.
    """

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._file = SpoolFile(path)
        self._under_way: set[int] = set()
        self._regained: dict[int, tuple[str, int]] = {}
        self._newest_dropped_ns = 0

    def begin_anew(self) -> None:
        """Make the file again with the next call: it was taken away."""
        self._file.is_made = False

    def put(self, points: Collection[Point]) -> None:
        """Keep points, newer fields in place of older ones; all or none."""
        self.put_rows(with_breaths(map(_row, points)))

    def put_rows(self, rows: Iterable[Row], *, were_sent: bool = False) -> None:
        """Keep points that are written as rows already; some of them `were_sent`, maybe."""
        with self._file.transaction() as connection:
            connection.executemany(_PUT, rows)
            if were_sent:
                connection.execute(_DOUBT_ALL)

    def take(self, most: int, *, raw: bool = False, newest: bool = False) -> list[Spooled]:
        """Give up to `most` points, without taking them out; no more than a request may hold."""
        order = "ORDER BY id DESC LIMIT :most" if newest else "ORDER BY id LIMIT :most"
        wanted = {"raw": raw, "most": most, "now_s": time.monotonic()}
        taken: list[Spooled] = []
        size = 0
        with self._file.transaction() as connection:
            for row in connection.execute(_TAKE + order, wanted):
                point = Spooled(*row)
                size += len(point.fields) + len(point.series)
                if taken and size > _MAX_BATCH_BYTES:
                    break
                taken.append(point)
        self._under_way = {point.id for point in taken}
        self._regained = {}
        return taken

    def settle(self, points: Sequence[Spooled], doubt_s: float) -> int:
        """Forget points that were delivered as they were taken; gives their outcomes.

        One that has a newer value by now stays, with the outcomes that came since. One in doubt
        stays, held, and is taken once more: `doubt_s` after it was delivered for the first time.
        """
        same = "WHERE id = ? AND version = ?"
        sure, unsure = _by_doubt(points)
        with self._file.transaction() as connection:
            connection.executemany(f"DELETE FROM points {same}", _identities(sure))  # noqa: S608
            connection.executemany(f"UPDATE points SET held = 1 {same}", _identities(unsure))  # noqa: S608
            connection.executemany(
                "UPDATE points SET doubt_s = min(doubt_s, ?) WHERE id = ?",
                [(time.monotonic() + doubt_s, point.id) for point in unsure],
            )
            connection.executemany(
                "UPDATE points SET outcomes = outcomes - ? WHERE id = ?",
                [(point.outcomes, point.id) for point in points],
            )
        return sum(point.outcomes for point in points)

    def regained(self, points: Sequence[Spooled]) -> Counter[str]:
        """Give what was dropped, by reason, of points that were under way then, and arrived."""
        regained: Counter[str] = Counter()
        for point in points:
            reason, dropped = self._regained.pop(point.id, ("", 0))
            if dropped:
                regained[reason] += 1 if point.raw else min(point.outcomes, dropped)
        return regained

    def make_room(self) -> Counter[str]:
        """Drop the oldest, raw points first, until the rest fits; gives how much, by reason."""
        dropped: Counter[str] = Counter()
        if self._size_bytes() <= self.max_bytes:
            return dropped
        with self._file.transaction() as connection:
            for raw, reason in ((True, SPOOL_FULL_RAW), (False, SPOOL_FULL)):
                while self._used_bytes(connection) > self.max_bytes * _ROOM_LEFT:
                    gone = _drop_oldest(connection, raw=raw)
                    if not gone:
                        break
                    self._note_dropped(gone, reason)
                    dropped[reason] += sum(1 if raw else each.outcomes for each in gone)
        return dropped

    def newest_dropped_ns(self) -> int:
        """Give the newest time of the windows that were dropped since this was last asked, or 0."""
        newest_ns, self._newest_dropped_ns = self._newest_dropped_ns, 0
        return newest_ns

    def doubt(self, points: Sequence[Spooled]) -> None:
        """Take note that points were sent and not answered. A raw point has no older value."""
        with self._file.transaction() as connection:
            connection.executemany(
                "UPDATE points SET doubt_s = 9e999, held = 0 WHERE id = ? AND NOT raw",
                [(point.id,) for point in points],
            )

    def doubt_all(self) -> None:
        """Take note that any may have been on its way when its process was killed."""
        with self._file.transaction() as connection:
            connection.execute(_DOUBT_ALL)

    def doubt_anew(self, doubt_s: float) -> None:
        """Let the time of those that are held begin again: another process's clock counted it."""
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE points SET doubt_s = ? WHERE held", (time.monotonic() + doubt_s,)
            )

    def rows(self) -> list[Row]:
        """Give all points as rows for another spool, oldest first."""
        with self._file.transaction() as connection:
            return connection.execute(
                "SELECT series, time_ns, fields, raw, outcomes, spooled_s FROM points ORDER BY id"
            ).fetchall()

    def clear(self) -> None:
        """Forget all points."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM points")

    def backlog(self) -> Backlog:
        """Say how much waits."""
        if self.path is not None and not self.path.exists():
            return Backlog()
        with self._file.transaction() as connection:
            row = connection.execute(
                "SELECT count(*) - total(held), total(raw), total(outcomes),"
                " min(iif(held, NULL, spooled_s)), total(held) FROM points"
            ).fetchone()
        return Backlog(int(row[0]), int(row[1]), int(row[2]), row[3], int(row[4]))

    def is_empty(self) -> bool:
        """Whether nothing waits, and nothing is held."""
        backlog = self.backlog()
        return backlog.points + backlog.held == 0

    def discard(self) -> None:
        """Remove the file, which is empty."""
        if self.path is not None:
            for name in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + name).unlink(missing_ok=True)

    def _note_dropped(self, gone: Sequence[_Dropped], reason: str) -> None:
        for each in gone:
            if each.id in self._under_way:
                self._regained[each.id] = reason, 1 if reason == SPOOL_FULL_RAW else each.outcomes
        if reason == SPOOL_FULL:
            self._newest_dropped_ns = max(self._newest_dropped_ns, *(each.time_ns for each in gone))

    def _size_bytes(self) -> int:
        if self.path is None:
            with self._file.transaction() as connection:
                return self._used_bytes(connection)
        return self.path.stat().st_size if self.path.exists() else 0

    def _used_bytes(self, connection: sqlite3.Connection) -> int:
        """Bytes of the pages in use; a page that was freed is used again."""
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _by_doubt(points: Sequence[Spooled]) -> tuple[list[Spooled], list[Spooled]]:
    """Part what was delivered for good from what may be undone."""
    return (
        [point for point in points if not point.in_doubt],
        [point for point in points if point.in_doubt],
    )


def _identities(points: Sequence[Spooled]) -> list[tuple[int, int]]:
    return [(point.id, point.version) for point in points]


def _row(point: Point) -> Row:
    return (
        series_key(point.measurement, point.tags),
        point.time_ns,
        _json(point.fields),
        point.measurement == schema.RAW,
        point.outcomes,
        time.time(),
    )


def _json(fields: Mapping[str, FieldValue]) -> str:
    """Write fields; what is not finite is left out, as neither JSON nor InfluxDB can bear it."""
    finite = {
        name: value
        for name, value in fields.items()
        if not isinstance(value, float) or math.isfinite(value)
    }
    return json.dumps(finite, separators=(",", ":"))


def _drop_oldest(connection: sqlite3.Connection, *, raw: bool) -> list[_Dropped]:
    """Drop some of the oldest points."""
    rows = connection.execute(
        "DELETE FROM points WHERE id IN (SELECT id FROM points WHERE raw = ? ORDER BY id LIMIT 200)"
        " RETURNING id, time_ns, outcomes",
        (raw,),
    )
    return [_Dropped(*row) for row in rows.fetchall()]
