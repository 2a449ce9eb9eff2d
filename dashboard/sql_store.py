"""SQL store: reads what `hooks` wrote through SQLAlchemy. The database does the summing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, case, func, select

from openfeature_triton.dashboard.day_spans import Span, day_spans
from openfeature_triton.dashboard.store import (
    STEP_NS,
    TRAFFIC_FIELDS,
    Evaluations,
    Phase,
    Step,
    Totals,
    Traffic,
    totals_of,
    traffic_of,
)
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.sql_engine import (
    check_tables,
    open_to_read,
    shown,
    store_errors,
    store_url,
)
from openfeature_triton.hooks.tables import day_values, merged_days, phases, series, windows

_TRAFFIC = (
    series.c.experiment,
    series.c.phase,
    series.c.variant,
    series.c.task_type,
)
_TAGS = (
    series.c.phase,
    series.c.variant,
    series.c.served,
    series.c.task_type,
    series.c.language,
)

_Group = tuple[Any, ...]


class SqlStore:
    """Reads a store in SQLite or PostgreSQL, and creates nothing where there is none.

    Args:
        url: the store's SQLAlchemy URL. StoreUrlError if it can't be one.

    A SQLite file is looked for at each read, so that the dashboard may start before the store is
    there, and outlives its removal.
    """

    def __init__(self, url: str | SecretStr) -> None:
        self._url = store_url(url)
        self._engine: Engine | None = None

    def __repr__(self) -> str:
        """Name the store, its password masked."""
        return f"SqlStore({shown(self._url)!r})"

    def check(self) -> None:
        """Look whether the store can be read: StoreError if not."""
        with self._reading():
            pass

    def traffic(self, experiment: str | None = None) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""
        with self._reading() as connection:
            totals: dict[_Group, dict[str, float]] = {}
            for statement in _traffic(experiment, _spans(connection)):
                _add(totals, ((row[:4], row[4], row[5]) for row in connection.execute(statement)))
            edges = {
                tuple(row[:4]): (int(row[4] or 0), int(row[5] or 0))
                for row in connection.execute(_edges(experiment))
            }
        return tuple(traffic_of(group, totals[group], *edges[group]) for group in sorted(totals))

    def totals(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the totals of one experiment by day or by hour; () for an unknown one."""
        return self._totals(experiment, (schema.LIGHT, schema.LATENCY), step, start_ns, end_ns)

    def clusters(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give an experiment's sums by bucket of users; () where the unit is not the user."""
        return self._totals(experiment, (schema.CLUSTERS,), step, start_ns, end_ns)

    def _totals(
        self,
        experiment: str,
        measurements: Sequence[str],
        step: Step,
        start_ns: int | None,
        end_ns: int | None,
    ) -> tuple[Totals, ...]:
        step_ns = STEP_NS[step]
        groups: dict[_Group, dict[str, float]] = {}
        with self._reading() as connection:
            for span in _spans(connection, start_ns, end_ns, step):
                rows = connection.execute(_totals(experiment, measurements, step_ns, span))
                _add(groups, ((row[:6], row[6], row[7]) for row in rows))
        return tuple(
            totals_of(group[:5], int(group[5]) * step_ns, fields)
            for group, fields in sorted(groups.items())
        )

    def evaluations(self) -> tuple[Evaluations, ...]:
        """Give how often each flag was evaluated, with which result."""
        with self._reading() as connection:
            return tuple(
                Evaluations(flag, variant, reason, code, int(count), int(errors), duration_us)
                for flag, variant, reason, code, count, errors, duration_us in connection.execute(
                    _evaluations()
                )
            )

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
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Open a connection to tables that are ours; StoreError if that can't be."""
        with store_errors(self._url), self._open().connect() as connection:
            check_tables(connection, self._url)
            yield connection

    def _open(self) -> Engine:
        # SQLite would make a file that went away anew, so each read looks whether it is there.
        # Its engine keeps no connection: making another one costs nothing.
        engine = self._engine
        if engine is None or engine.dialect.name == "sqlite":
            engine = self._engine = open_to_read(self._url)
        return engine


def _spans(
    connection: Connection,
    start_ns: int | None = None,
    end_ns: int | None = None,
    step: Step = "day",
) -> list[Span]:
    """Part time by the days that are merged; hours are read from windows alone."""
    merged = connection.execute(select(merged_days.c.day)).scalars() if step == "day" else ()
    return day_spans(set(merged), start_ns, end_ns)


def _add(groups: dict[_Group, dict[str, float]], rows: Iterable[tuple[Any, str, float]]) -> None:
    """Add up what the spans have of each group."""
    for key, field, value in rows:
        fields = groups.setdefault(tuple(key), {})
        fields[field] = fields.get(field, 0.0) + value


def _summed(
    group: tuple[ColumnElement[Any], ...], span: Span, step_ns: int | None = None
) -> Select[Any]:
    """Select the sums of a span's fields by group, and by day or hour if `step_ns` is given."""
    first, after = span.days
    if span.is_merged:
        table, inside = day_values, day_values.c.day.between(first, after - 1)
        time: ColumnElement[Any] = day_values.c.day
    else:
        table, inside = windows, windows.c.time_ns.between(span.start_ns, span.end_ns - 1)
        time = windows.c.time_ns // (step_ns or NS_PER_DAY)
    by = (*group, table.c.field) if step_ns is None else (*group, time, table.c.field)
    wanted = select(*by, func.sum(table.c.value)).select_from(table.join(series)).where(inside)
    return wanted.group_by(*by)


def _traffic(experiment: str | None, spans: Iterable[Span]) -> Iterator[Select[Any]]:
    for span in spans:
        field = (day_values if span.is_merged else windows).c.field
        light = series.c.measurement == schema.LIGHT
        summed = _summed(_TRAFFIC, span).where(light, field.in_(TRAFFIC_FIELDS))
        yield _of(summed, experiment)


def _edges(experiment: str | None) -> Select[Any]:
    """Select each group's first and last time, found by the windows' key without reading them."""
    of_series = windows.c.series_id == series.c.id
    first = select(func.min(windows.c.time_ns)).where(of_series).scalar_subquery()
    last = select(func.max(windows.c.time_ns)).where(of_series).scalar_subquery()
    wanted = select(*_TRAFFIC, func.min(first), func.max(last))
    wanted = wanted.where(series.c.measurement == schema.LIGHT)
    return _of(wanted, experiment).group_by(*_TRAFFIC)


def _totals(experiment: str, measurements: Sequence[str], step_ns: int, span: Span) -> Select[Any]:
    return _summed(_TAGS, span, step_ns).where(
        series.c.experiment == experiment, series.c.measurement.in_(measurements)
    )


def _evaluations() -> Select[Any]:
    group = (series.c.experiment, series.c.variant, series.c.reason, series.c.error_code)
    fields = (schema.COUNT, schema.EVALUATION_ERRORS, schema.DURATION_SUM)
    return (
        select(*group, *map(_sum_of, fields))
        .select_from(windows.join(series))
        .where(series.c.measurement == schema.EVALUATION)
        .group_by(*group)
        .order_by(*group)
    )


def _of(wanted: Select[Any], experiment: str | None) -> Select[Any]:
    """Narrow to one experiment; else to all, but not to what was part of none."""
    if experiment is None:
        return wanted.where(series.c.experiment != "")
    return wanted.where(series.c.experiment == experiment)


def _sum_of(field: str) -> ColumnElement[float]:
    return func.sum(case((windows.c.field == field, windows.c.value), else_=0))


def _whole(row: Row[Any]) -> Iterator[Any]:
    """Counts are stored as floats, as all fields are."""
    return (int(value) if isinstance(value, float) else value for value in row)
