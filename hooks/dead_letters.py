"""Dead letters: points that InfluxDB refuses for good, kept with its reason for somebody to see.

One SQLite file in the spool folder, shared by all its processes.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.spool import Spooled

FILE_NAME = "dead-letters.db"
MAX_LETTERS = 10_000
"""How many are kept; the oldest go first."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY,
    series TEXT NOT NULL, time_ns INTEGER NOT NULL, fields TEXT NOT NULL,
    raw INTEGER NOT NULL, outcomes INTEGER NOT NULL,
    status INTEGER NOT NULL, reason TEXT NOT NULL, at_s REAL NOT NULL,
    UNIQUE (series, time_ns)
)
"""
_ADD = """
INSERT INTO dead_letters (series, time_ns, fields, raw, outcomes, status, reason, at_s)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (series, time_ns) DO UPDATE SET
    fields = json_patch(fields, excluded.fields),
    outcomes = iif(fields = excluded.fields, max(outcomes, excluded.outcomes),
                   outcomes + excluded.outcomes),
    status = excluded.status, reason = excluded.reason, at_s = excluded.at_s
"""
_FIND = "SELECT id, fields, outcomes FROM dead_letters WHERE series = ? AND time_ns = ?"
_SHORTEN = "UPDATE dead_letters SET fields = ?, outcomes = outcomes - ? WHERE id = ?"
_COLUMNS = "id, series, time_ns, fields, raw, outcomes, status, reason, at_s"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A point that was refused; `outcomes` are those that the store lacks for it."""

    id: int
    series: str
    time_ns: int
    fields: str
    raw: bool
    outcomes: int
    status: int
    reason: str
    at_s: float


class DeadLetters:
    """The dead letters of a spool folder; each call raises sqlite3.Error if the disk fails."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def add(self, points: Sequence[Spooled], status: int, reason: str) -> int:
        """Keep points with the reason of their refusal; gives how many old ones were let go."""
        now_s = time.time()
        rows = [
            (
                point.series,
                point.time_ns,
                point.fields,
                point.raw,
                point.outcomes,
                status,
                reason,
                now_s,
            )
            for point in points
        ]
        with self._transaction() as connection:
            connection.executemany(_ADD, rows)
            return connection.execute(
                "DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?",
                (MAX_LETTERS,),
            ).rowcount

    def supersede(self, points: Sequence[Spooled]) -> tuple[int, int]:
        """Take out of the letters what these points said anew, which InfluxDB has taken.

        Windows hold running totals, so a newer value holds what was refused before; and a letter
        that was sent again would undo it. Gives how many letters are gone, and for how many
        outcomes the store lacks them no more.
        """
        if not self.path.exists():
            return 0, 0
        with self._transaction() as connection:
            found = [_superseded(connection, point) for point in points]
        return sum(gone for gone, _ in found), sum(outcomes for _, outcomes in found)

    def all(self) -> list[DeadLetter]:
        """Give all, oldest first."""
        if not self.path.exists():
            return []
        with self._transaction() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM dead_letters ORDER BY id").fetchall()  # noqa: S608
        return [DeadLetter(*row) for row in rows]

    def discard(self, letters: Sequence[DeadLetter]) -> None:
        """Forget some, unless they were refused again meanwhile."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM dead_letters WHERE id = ? AND at_s = ?",
                [(letter.id, letter.at_s) for letter in letters],
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=5.0)) as connection, connection:
            connection.execute(_SCHEMA)
            yield connection


def _superseded(connection: sqlite3.Connection, point: Spooled) -> tuple[bool, int]:
    """Take a point's fields out of its letter: whether it is gone, and outcomes it stood for."""
    letter = connection.execute(_FIND, (point.series, point.time_ns)).fetchone()
    if letter is None:
        return False, 0
    number, fields, outcomes = letter
    newer = json.loads(point.fields)
    older = {name: value for name, value in json.loads(fields).items() if name not in newer}
    told = outcomes if schema.REQUESTS in newer else 0
    connection.execute(_SHORTEN, (json.dumps(older), told, number))
    connection.execute("DELETE FROM dead_letters WHERE id = ? AND fields = '{}'", (number,))
    return not older, told
