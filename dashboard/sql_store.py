"""SQL store: reads what `hooks` wrote through SQLAlchemy. The database does the summing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Column, ColumnElement, Connection, Engine, Select, Table, func, select

from openfeature_triton.dashboard.day_spans import Span, day_spans
from openfeature_triton.dashboard.rows import Rows, rows, with_fields, with_latencies
from openfeature_triton.dashboard.store import (
    EVALUATION_FIELDS,
    STEP_NS,
    TRAFFIC_FIELDS,
    Evaluations,
    Phase,
    Seen,
    Step,
    Totals,
    Traffic,
    evaluations_of,
    place,
    traffic_of,
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

_GROUP = (series.c.phase, series.c.variant, series.c.served, series.c.task_type, series.c.language)
_SEEN = (series.c.experiment, series.c.phase, series.c.variant, series.c.task_type)
_EVALUATED = (series.c.experiment, series.c.variant, series.c.reason, series.c.error_code)

_AT_ONCE = 500  # rows; where there are many more objects, Python stops to look for garbage
_CHECK_EVERY_S = 10.0  # a store may be migrated meanwhile

_SLOTS: Mapping[Step, Column[int]] = {"day": day_values.c.day, "hour": hour_values.c.hour}

_Tags = tuple[Any, ...]


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

    def seen(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Seen, ...]:
        """Say when all experiments, or one, had traffic, by phase and variant: quickly."""
        with self._reading() as connection:
            return _seen(connection, experiment, *day_spans((), start_ns, end_ns))

    def traffic(
        self,
        experiment: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""
        which = series.c.measurement == schema.LIGHT, _of(experiment)
        with self._reading() as connection:
            seen = _seen(connection, experiment, *day_spans((), start_ns, end_ns))
            spans = _spans(connection, start_ns, end_ns)
            sums = _sums(connection, _SEEN, which, TRAFFIC_FIELDS, spans)
        return tuple(traffic_of(each, sums.get(place(each), {})) for each in seen)

    def counts(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the fields of `inference_light` by day or by hour; () for an unknown experiment."""
        return with_fields(self._rows(experiment, schema.LIGHT, step, start_ns, end_ns))

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user."""
        return with_fields(self._rows(experiment, schema.CLUSTERS, step, start_ns, end_ns))

    def latencies(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's histograms of latency by day or by hour, without fields."""
        return with_latencies(self._rows(experiment, schema.LATENCY, step, start_ns, end_ns))

    def evaluations(
        self, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""
        which = (series.c.measurement == schema.EVALUATION,)
        with self._reading() as connection:
            spans = _spans(connection, start_ns, end_ns)
            sums = _sums(connection, _EVALUATED, which, EVALUATION_FIELDS, spans)
        return tuple(evaluations_of(group, fields) for group, fields in sorted(sums.items()))

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""
        wanted = select(*(phases.c[name] for name in Phase.__slots__))
        if experiment is not None:
            wanted = wanted.where(phases.c.experiment == experiment)
        wanted = wanted.order_by(phases.c.first_seen_ns, phases.c.experiment, phases.c.phase)
        with self._reading() as connection:
            return tuple(Phase(*row) for row in connection.execute(wanted))

    def close(self) -> None:
        """Let go of connections."""
        if self._opened is not None:
            self._opened.dispose()
            self._opened = None

    def _rows(
        self,
        experiment: str,
        measurement: str,
        step: Step,
        start_ns: int | None,
        end_ns: int | None,
    ) -> Rows:
        """Give a measurement's sums by tags, day or hour, and field."""
        which = series.c.measurement == measurement, series.c.experiment == experiment
        is_merged = step == "day" or measurement in BY_HOUR
        keys, fields, values = [], [], []
        with self._reading() as connection:
            for span in _spans(connection, start_ns, end_ns, is_merged=is_merged):
                for part in connection.execute(_slices(span, which, step)).partitions(_AT_ONCE):
                    keys += [(series_id, nth) for series_id, nth, _, _ in part]
                    fields += [field for _, _, field, _ in part]
                    values += [value for _, _, _, value in part]
            tags = _tags(connection, _GROUP, which)
        return rows(keys, lambda key: (tags[key[0]], key[1] * STEP_NS[step]), fields, values)

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


def _of(experiment: str | None) -> ColumnElement[bool]:
    """Narrow to one experiment; else to all, but not to what was part of none."""
    if experiment is None:
        return series.c.experiment != ""
    return series.c.experiment == experiment


def _spans(
    connection: Connection, start_ns: int | None, end_ns: int | None, *, is_merged: bool = True
) -> list[Span]:
    """Part time by the days that are merged; where they keep no such sums, windows have all."""
    merged = connection.execute(select(merged_days.c.day)).scalars() if is_merged else ()
    return day_spans(set(merged), start_ns, end_ns)


def _slices(span: Span, which: Sequence[ColumnElement[bool]], step: Step) -> Select[Any]:
    """Select a span's sums by series, day or hour, and field."""
    if not span.is_merged:
        nth = windows.c.time_ns // STEP_NS[step]
        group = windows.c.series_id, nth, windows.c.field
        wanted = select(*group, func.sum(windows.c.value)).group_by(*group)
        return wanted.where(_is_of(windows, which), _is_within(span))
    slot, table = _SLOTS[step], _SLOTS[step].table
    wanted = select(table.c.series_id, slot, table.c.field, table.c.value)
    return wanted.where(_is_of(table, which), _is_within(span, step))


def _whole(span: Span, which: Sequence[ColumnElement[bool]], fields: Sequence[str]) -> Select[Any]:
    """Select a span's sums by series and field."""
    table = day_values if span.is_merged else windows
    group = table.c.series_id, table.c.field
    wanted = select(*group, func.sum(table.c.value)).group_by(*group)
    return wanted.where(_is_of(table, which), _is_within(span), table.c.field.in_(fields))


def _is_of(table: Table, which: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    return table.c.series_id.in_(select(series.c.id).where(*which))


def _is_within(span: Span, step: Step = "day") -> ColumnElement[bool]:
    if not span.is_merged:
        return windows.c.time_ns.between(span.start_ns, span.end_ns - 1)
    return _SLOTS[step].between(span.start_ns // STEP_NS[step], span.end_ns // STEP_NS[step] - 1)


def _tags(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    which: Sequence[ColumnElement[bool]],
) -> dict[int, _Tags]:
    """Give the tags of series by their id; read last, as a series may come while sums are read."""
    found = connection.execute(select(series.c.id, *columns).where(*which))
    return {series_id: tuple(tags) for series_id, *tags in found}


def _sums(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    which: Sequence[ColumnElement[bool]],
    fields: Sequence[str],
    spans: Sequence[Span],
) -> dict[_Tags, dict[str, float]]:
    """Add up fields by tags."""
    found = [row for span in spans for row in connection.execute(_whole(span, which, fields)).all()]
    tags = _tags(connection, columns, which)
    groups: dict[_Tags, dict[str, float]] = {}
    for series_id, field, value in found:
        sums = groups.setdefault(tags[series_id], {})
        sums[field] = sums.get(field, 0.0) + value
    return groups


def _seen(connection: Connection, experiment: str | None, *spans: Span) -> tuple[Seen, ...]:
    """Find first and last times by the windows' key, without reading what lies between."""
    found: list[Seen] = []
    for span in spans:
        inside = (
            windows.c.series_id == series.c.id,
            windows.c.time_ns.between(span.start_ns, span.end_ns - 1),
        )
        first, last = (
            select(edge(windows.c.time_ns)).where(*inside).scalar_subquery()
            for edge in (func.min, func.max)
        )
        wanted = select(*_SEEN, func.min(first), func.max(last)).group_by(*_SEEN)
        wanted = wanted.where(series.c.measurement == schema.LIGHT, _of(experiment))
        found += [Seen(*row) for row in connection.execute(wanted) if row[-1] is not None]
    return tuple(sorted(found, key=place))
