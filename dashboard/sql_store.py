"""SQL store: reads what `hooks` wrote through SQLAlchemy. The database does the summing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, case, func, select

from openfeature_triton.dashboard.store import (
    STEP_NS,
    Evaluations,
    Phase,
    Step,
    Totals,
    Traffic,
)
from openfeature_triton.hooks import schema
from openfeature_triton.hooks.sql_engine import (
    check_tables,
    open_to_read,
    shown,
    store_errors,
    store_url,
)
from openfeature_triton.hooks.tables import phases, series, windows

_TAGS = (
    series.c.phase,
    series.c.variant,
    series.c.served,
    series.c.task_type,
    series.c.language,
)


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
            return tuple(Traffic(*_whole(row)) for row in connection.execute(_traffic(experiment)))

    def totals(
        self,
        experiment: str,
        *,
        step: Step = "day",
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> tuple[Totals, ...]:
        """Give the totals of one experiment by day or by hour; () for an unknown one."""
        step_ns = STEP_NS[step]
        groups: dict[tuple[str, str, str, str, str, int], dict[str, float]] = {}
        with self._reading() as connection:
            rows = connection.execute(_totals(experiment, step_ns, start_ns, end_ns))
            for phase, variant, served, task_type, language, nth, field, value in rows:
                group = (phase, variant, served, task_type, language, int(nth) * step_ns)
                groups.setdefault(group, {})[field] = value
        return tuple(Totals(*group, fields) for group, fields in groups.items())

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
            check_tables(connection, self._url, complete=True)
            yield connection

    def _open(self) -> Engine:
        # SQLite would make a file that went away anew, so each read looks whether it is there.
        # Its engine keeps no connection: making another one costs nothing.
        engine = self._engine
        if engine is None or engine.dialect.name == "sqlite":
            engine = self._engine = open_to_read(self._url)
        return engine


def _traffic(experiment: str | None) -> Select[Any]:
    group = (series.c.experiment, series.c.phase, series.c.variant, series.c.task_type)
    fields = (schema.EXPOSURES, schema.REQUESTS, schema.ERRORS)
    wanted = (
        select(
            *group,
            *map(_sum_of, fields),
            func.min(windows.c.time_ns),
            func.max(windows.c.time_ns),
        )
        .select_from(windows.join(series))
        .where(series.c.measurement == schema.LIGHT, windows.c.field.in_(fields))
    )
    return _of(wanted, experiment).group_by(*group).order_by(*group)


def _totals(experiment: str, step_ns: int, start_ns: int | None, end_ns: int | None) -> Select[Any]:
    group = (*_TAGS, windows.c.time_ns // step_ns, windows.c.field)
    wanted = (
        select(*group, func.sum(windows.c.value))
        .select_from(windows.join(series))
        .where(
            series.c.experiment == experiment,
            series.c.measurement.in_((schema.LIGHT, schema.LATENCY)),
        )
    )
    if start_ns is not None:
        wanted = wanted.where(windows.c.time_ns >= start_ns)
    if end_ns is not None:
        wanted = wanted.where(windows.c.time_ns < end_ns)
    return wanted.group_by(*group).order_by(*group)


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
