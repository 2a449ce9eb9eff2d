"""SQL sink: keeps windows in SQLite or PostgreSQL, by the same code."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Table, and_, select
from sqlalchemy.dialects import postgresql, sqlite

from openfeature_triton.hooks import schema, tables
from openfeature_triton.hooks.breath import breathe_if_due
from openfeature_triton.hooks.errors import StoreError
from openfeature_triton.hooks.migration import migrate
from openfeature_triton.hooks.sink import Point, Tags
from openfeature_triton.hooks.sql_days import merge, reopen
from openfeature_triton.hooks.sql_engine import (
    check_tables,
    open_to_write,
    shown,
    store_errors,
    store_url,
)

_SeriesKey = tuple[str, Tags]
_ROWS_AT_ONCE = 250  # so that other threads may run in between
_log = logging.getLogger(__name__)


class SqlSink:
    """Writes each batch of points in one transaction; many processes may write at once.

    Args:
        url: SQLAlchemy URL. The tables are made if they are not there.
        merge_every_s: how often closed days are merged after a write (`hooks.sql_days`); None:
            never.

    StoreError if the store can't be used; a file that is no database is left as it is.
    """

    def __init__(self, url: str | SecretStr, *, merge_every_s: float | None = None) -> None:
        self._url = store_url(url)
        self._merge_every_s = merge_every_s
        self._merge_due_s = time.monotonic()
        self._use_new_engine()
        try:
            with store_errors(self._url):
                self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def write(self, points: Collection[Point]) -> None:
        """Store all points or none; StoreError if none."""
        if self._pid != os.getpid():
            self._parents_engine = self._engine  # not ours to close
            self._use_new_engine()
        try:
            with store_errors(self._url):
                self._write(list(points))
        except Exception:
            self._is_prepared = False  # the file may be gone, and the next one has other ids
            raise
        self._merge_if_due()

    def close(self) -> None:
        """Let go of the database."""
        if self._pid == os.getpid():
            self._engine.dispose()

    def _merge_if_due(self) -> None:
        """Merge a closed day, so that writing never waits for more than one.

        What goes wrong is no matter of the points, which are stored.
        """
        if self._merge_every_s is None or time.monotonic() < self._merge_due_s:
            return
        self._merge_due_s = time.monotonic() + self._merge_every_s
        try:
            if merge(self._url, most=1):
                self._merge_due_s = time.monotonic()  # there may be more
        except StoreError as error:
            _log.warning("days can't be merged, they are tried again later: %s", error)

    def _use_new_engine(self) -> None:
        self._engine = open_to_write(self._url)
        self._pid = os.getpid()
        self._series_ids: dict[_SeriesKey, int] = {}
        self._store_id = ""
        self._is_prepared = False

    def _prepare(self) -> None:
        """Bring the tables up to date; see whether those that are there are ours."""
        with self._engine.begin() as connection:
            migrate(connection, shown(self._url))
            check_tables(connection, self._url)  # what is somebody else's is left as it was
            row = {"key": "id", "value": uuid.uuid4().hex}
            connection.execute(_insert(connection, tables.about).on_conflict_do_nothing(), row)
        self._is_prepared = True

    def _write(self, points: Collection[Point]) -> None:
        if not self._is_prepared:
            self._prepare()
        with self._engine.begin() as connection:
            known = self._known_series(connection)
            fresh = self._make_series(connection, {_series(point) for point in points} - {*known})
            ids = known | fresh
            _write_windows(connection, points, ids)
            _write_phases(connection, points)
        self._series_ids = ids

    def _known_series(self, connection: Connection) -> dict[_SeriesKey, int]:
        """Give the ids that are remembered, unless the store was replaced by another one."""
        store_id = _about(connection, "id")
        if store_id != self._store_id:
            self._store_id, self._series_ids = store_id, {}
        return self._series_ids

    def _make_series(
        self, connection: Connection, keys: Iterable[_SeriesKey]
    ) -> dict[_SeriesKey, int]:
        """Give the ids of series, made where they are not there."""
        ids = {}
        # In one order for all, so that two writers never wait for each other crosswise.
        for measurement, tags in sorted(key for key in keys if key[0] != schema.PHASE):
            row = {"measurement": measurement} | dict.fromkeys(tables.TAG_COLUMNS, "") | dict(tags)
            connection.execute(_insert(connection, tables.series).on_conflict_do_nothing(), row)
            same = and_(*(tables.series.c[name] == value for name, value in row.items()))
            ids[measurement, tags] = connection.execute(
                select(tables.series.c.id).where(same)
            ).scalar_one()
        return ids


def _series(point: Point) -> _SeriesKey:
    return point.measurement, point.tags


def _about(connection: Connection, key: str) -> str:
    wanted = select(tables.about.c.value).where(tables.about.c.key == key)
    return str(connection.execute(wanted).scalar_one())


def _insert(connection: Connection, table: Table) -> Any:
    """Give an INSERT that can say what happens on a conflict: the same words in both dialects."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _write_windows(
    connection: Connection, points: Collection[Point], ids: dict[_SeriesKey, int]
) -> None:
    insert = _insert(connection, tables.windows)
    upsert = insert.on_conflict_do_update(
        index_elements=tables.windows.primary_key.columns.keys(),
        set_={"value": insert.excluded.value},
    )
    rows = (
        {
            "series_id": ids[_series(point)],
            "time_ns": point.time_ns,
            "field": field,
            "value": float(value),
        }
        for point in points
        if point.measurement != schema.PHASE
        for field, value in point.fields.items()
    )
    while some := [*islice(rows, _ROWS_AT_ONCE)]:
        connection.execute(upsert, some)
        breathe_if_due()
    reopen(connection, (point.time_ns for point in points if point.measurement != schema.PHASE))


def _write_phases(connection: Connection, points: Collection[Point]) -> None:
    """Keep the phases that are not there yet: a phase was first seen only once."""
    rows = [
        {"first_seen_ns": point.time_ns, **dict(point.tags), **point.fields}
        for point in points
        if point.measurement == schema.PHASE
    ]
    if rows:
        connection.execute(_insert(connection, tables.phases).on_conflict_do_nothing(), rows)
