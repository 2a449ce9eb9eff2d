"""Store summary: what a store holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import SecretStr
from sqlalchemy import Connection, Table, func, select

from openfeature_triton.hooks import schema, tables
from openfeature_triton.hooks.sql_engine import (
    check_tables,
    open_to_read,
    shown,
    store_errors,
    store_url,
)


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """How much a store holds; `newest` is None for an empty one, `windows` counts values."""

    store: str
    series: int
    windows: int
    phases: int
    newest: datetime | None
    exposures: int
    requests: int
    errors: int


def summarize(url: str | SecretStr) -> StoreSummary:
    """Look at a store without changing it; StoreError if there is none, or it can't be read."""
    parsed = store_url(url)
    engine = open_to_read(parsed)
    try:
        with store_errors(parsed), engine.connect() as connection:
            check_tables(connection, parsed)
            newest_ns = connection.execute(select(func.max(tables.windows.c.time_ns))).scalar()
            return StoreSummary(
                store=shown(parsed),
                series=_rows(connection, tables.series),
                windows=_rows(connection, tables.windows),
                phases=_rows(connection, tables.phases),
                newest=datetime.fromtimestamp(newest_ns / 1e9, timezone.utc) if newest_ns else None,
                exposures=_total(connection, schema.EXPOSURES),
                requests=_total(connection, schema.REQUESTS),
                errors=_total(connection, schema.ERRORS),
            )
    finally:
        engine.dispose()


def _rows(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _total(connection: Connection, field: str) -> int:
    """Add up one field of `inference_light` over all series and windows."""
    both = tables.windows.join(tables.series)
    wanted = select(func.sum(tables.windows.c.value)).select_from(both)
    light = tables.series.c.measurement == schema.LIGHT
    total = connection.execute(wanted.where(light, tables.windows.c.field == field)).scalar()
    return int(total or 0)
