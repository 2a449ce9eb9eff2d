"""SQL store: reads what `hooks` wrote through SQLAlchemy. The database does the summing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, Engine, Select, func, literal, select

from openfeature_triton.dashboard.day_spans import Span, day_spans
from openfeature_triton.dashboard.rows import group, totals
from openfeature_triton.dashboard.store import (
    EVALUATIONS,
    PHASES,
    SEEN,
    SEEN_TAGS,
    STEP_NS,
    Phase,
    Query,
    Seen,
    Totals,
    place,
)
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.sql_days import BY_HOUR
from openfeature_triton.hooks.sql_engine import (
    check_tables,
    open_to_read,
    shown,
    store_errors,
    store_url,
)
from openfeature_triton.hooks.tables import (
    day_values,
    hour_values,
    merged_days,
    phases,
    series,
    windows,
)

_AT_ONCE = 500  # rows; where there are many more objects, Python stops to look for garbage
_CHECK_EVERY_S = 10.0  # a store may be migrated meanwhile


class SqlStore:
    """Reads a store in SQLite or PostgreSQL, and creates nothing where there is none.

    Args:
        url: the store's SQLAlchemy URL. StoreUrlError if it can't be one.

    A SQLite file is looked for at each read, so that the dashboard may start before the store is
    there, and outlives its removal.
    """

    def __init__(self, url: str | SecretStr) -> None:
        self._url = store_url(url)
        self._opened: Engine | None = None
        self._checked: object = None

    def __repr__(self) -> str:
        """Name the store, its password masked."""
        return f"SqlStore({shown(self._url)!r})"

    def check(self) -> None:
        """Look whether the store can be read: StoreError if not."""
        self._checked = None
        with self._reading():
            pass

    def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
        """Give what each query asks for, in its order, on one connection."""
        with self._reading() as connection:
            return tuple(_READERS.get(each.what, _totals)(connection, each) for each in queries)

    def close(self) -> None:
        """Let go of connections."""
        if self._opened is not None:
            self._opened.dispose()
            self._opened = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Open a connection to tables that are ours; StoreError if that can't be."""
        with store_errors(self._url), self._engine().connect() as connection:
            which = self._which(), time.monotonic() // _CHECK_EVERY_S
            if which != self._checked:
                check_tables(connection, self._url)
                self._checked = which
            yield connection

    def _engine(self) -> Engine:
        """SQLite would make a file that went away anew, so each read looks whether it is there."""
        if self._opened is None or self._which() is None:
            self._opened = open_to_read(self._url)
        return self._opened

    def _which(self) -> object:
        """Tell one SQLite file from another at the same place; None if there is none."""
        if self._url.get_backend_name() != "sqlite":
            return self._opened
        try:
            found = Path(self._url.database or "").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _totals(connection: Connection, query: Query) -> tuple[Totals, ...]:
    """Read sums by series, and the tags of the series last, as one may come meanwhile."""
    keys: list[tuple[int, int]] = []
    fields: list[str] = []
    values: list[float] = []
    for span in _spans(connection, query):
        for part in connection.execute(_sums(query, span)).partitions(_AT_ONCE):
            keys += [(series_id, nth) for series_id, nth, _, _ in part]
            fields += [field for _, _, field, _ in part]
            values += [value for _, _, _, value in part]
    tags = select(series.c.id, *(series.c[tag] for tag in query.by)).where(*_which(query))
    named = {series_id: found for series_id, *found in connection.execute(tags)}
    step_ns = STEP_NS.get(query.step, 0)
    return totals(
        query, keys, lambda key: group(query, named[key[0]], key[1] * step_ns), fields, values
    )


def _spans(connection: Connection, query: Query) -> list[Span]:
    """Part time by the days that are merged; where they keep no such sums, windows have all."""
    is_merged = query.step != "hour" or query.what in BY_HOUR
    merged = connection.execute(select(merged_days.c.day)).scalars() if is_merged else ()
    return day_spans(set(merged), query.start_ns, query.end_ns)


def _sums(query: Query, span: Span) -> Select[Any]:
    """Select a span's sums by series, slice of time, and field."""
    slot = hour_values.c.hour if query.step == "hour" else day_values.c.day
    table, time = (slot.table, slot) if span.is_merged else (windows, windows.c.time_ns)
    nth = time if span.is_merged else time // STEP_NS.get(query.step, 1)
    group, value = [table.c.series_id, nth, table.c.field], func.sum(table.c.value)
    wanted = select(*group, table.c.value)  # merged by the same step: nothing is left to sum
    if query.step == "all":
        wanted = select(group[0], literal(0), group[2], value).group_by(group[0], group[2])
    elif not span.is_merged:
        wanted = select(*group, value).group_by(*group)
    if query.fields:
        wanted = wanted.where(table.c.field.in_(query.fields))
    unit_ns = STEP_NS["hour" if query.step == "hour" else "day"] if span.is_merged else 1
    return wanted.where(
        table.c.series_id.in_(select(series.c.id).where(*_which(query))),
        time.between(span.start_ns // unit_ns, span.end_ns // unit_ns - 1),
    )


def _which(query: Query) -> list[ColumnElement[bool]]:
    """Narrow series to those asked for; traffic that was part of no experiment is left out."""
    which = [series.c.measurement == (schema.LIGHT if query.what == SEEN else query.what)]
    if query.experiment is not None:
        which.append(series.c.experiment == query.experiment)
    elif query.what != EVALUATIONS:
        which.append(series.c.experiment != "")
    return which


def _seen(connection: Connection, query: Query) -> tuple[Seen, ...]:
    """Find first and last times by the windows' key, without reading what lies between."""
    tags = [series.c[tag] for tag in SEEN_TAGS]
    found: list[Seen] = []
    for span in day_spans((), query.start_ns, query.end_ns):
        inside = (
            windows.c.series_id == series.c.id,
            windows.c.time_ns.between(span.start_ns, span.end_ns - 1),
        )
        first, last = (
            select(edge(windows.c.time_ns)).where(*inside).scalar_subquery()
            for edge in (func.min, func.max)
        )
        wanted: Select[Any] = select(*tags, func.min(first), func.max(last)).group_by(*tags)
        rows = connection.execute(wanted.where(*_which(query)))
        found += [Seen(*row) for row in rows if row[-1] is not None]
    return tuple(sorted(found, key=place))


def _phases(connection: Connection, query: Query) -> tuple[Phase, ...]:
    wanted = select(*(phases.c[name] for name in Phase.__slots__))
    if query.experiment is not None:
        wanted = wanted.where(phases.c.experiment == query.experiment)
    wanted = wanted.order_by(phases.c.first_seen_ns, phases.c.experiment, phases.c.phase)
    return tuple(Phase(*row) for row in connection.execute(wanted))


_READERS: dict[str, Callable[[Connection, Query], tuple[Any, ...]]]
_READERS = {SEEN: _seen, PHASES: _phases}
