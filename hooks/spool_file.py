"""Spool file: the SQLite file of a spool, its tables, and a transaction at a time on it.

A connection is made and closed with each transaction, so that none is carried through a fork.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_APPLICATION_ID = 0x4F465450  # "OFTP": a file that says otherwise is somebody else's
_VERSION = 2
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows with each point that is new
    series TEXT NOT NULL, time_ns INTEGER NOT NULL, fields TEXT NOT NULL,
    raw INTEGER NOT NULL,
    outcomes INTEGER NOT NULL,             -- that it stands for and InfluxDB has not heard of
    version INTEGER NOT NULL DEFAULT 0,    -- grows with each newer value
    held INTEGER NOT NULL DEFAULT 0,       -- delivered, and kept to go over an older value
    doubt_s REAL NOT NULL DEFAULT 0,       -- until when one may be stored (monotonic clock)
    spooled_s REAL NOT NULL,
    UNIQUE (series, time_ns)
);
CREATE INDEX IF NOT EXISTS points_by_kind ON points (raw, id);
"""
# A random one, so that what was taken from a file that was set aside is not settled in the next.
_FIRST_ID = """
INSERT INTO sqlite_sequence SELECT 'points', random() & 0xFFFFFFFFFFFF
WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'points')
"""


class ForeignSpoolError(sqlite3.DatabaseError):
    """The file is no spool of ours, or a damaged one."""


class SpoolFile:
    """Gives transactions; a file or its tables that are not there are made by the first one.

    Args:
        path: the file; None for a database in memory, whose one connection is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.is_made = False
        self._memory: sqlite3.Connection | None = None
        if path is None:
            self._memory = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, self._memory.close).atexit = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a connection within a transaction.

        sqlite3.OperationalError if the disk fails, ForeignSpoolError if the file is no spool.
        """
        connection = self._memory or self._connect()
        with closing(connection) if self._memory is None else _kept(connection) as open_connection:
            try:
                if not self.is_made:
                    open_connection.executescript(_SCHEMA)
                    open_connection.execute(_FIRST_ID)
                    self.is_made = True
                with open_connection:
                    open_connection.execute("BEGIN IMMEDIATE")
                    yield open_connection
            except (sqlite3.OperationalError, ForeignSpoolError):
                raise
            except sqlite3.DatabaseError as error:
                raise ForeignSpoolError(f"{self.path}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        assert self.path is not None  # noqa: S101 - or there is a connection in memory
        if not self.path.exists():
            self.is_made = False
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
        try:
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        """See whose file it is; let a write survive the process (WAL), if not the power."""
        try:
            (owner,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and (owner, version) != (_APPLICATION_ID, _VERSION):
                raise ForeignSpoolError(f"{self.path}: the database is somebody else's")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.OperationalError, ForeignSpoolError):
            raise
        except sqlite3.DatabaseError as error:
            raise ForeignSpoolError(f"{self.path}: {error}") from error


@contextmanager
def _kept(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    yield connection
