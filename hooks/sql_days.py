"""Merged days in a database: one row per series, day and field, summed over writers and windows.

Counts, those by bucket of users too, are kept by the hour as well: an experiment is looked at by
the hour in its first days. Histograms, which are most of a store, are not.

The windows stay where they are: a merged day only spares reading them. Whoever writes a window of a
merged day takes back, in the same transaction, that the day is merged; readers take the windows
then, and the next run merges the day again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pydantic import SecretStr
from sqlalchemy import Column, Connection, delete, exists, func, insert, select, text
from sqlalchemy.engine import URL

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.late import NS_PER_DAY, NS_PER_HOUR
from openfeature_triton.hooks.sql_engine import check_tables, open_to_write, store_errors, store_url
from openfeature_triton.hooks.tables import day_values, hour_values, merged_days, series, windows

BY_HOUR = (schema.LIGHT, schema.CLUSTERS)
"""The measurements whose hours are kept."""

_CLOSED_NS = 3600 * 10**9  # a day is merged an hour after its end


def merge(
    url: str | SecretStr | URL, now_ns: int | None = None, most: int | None = None
) -> tuple[int, ...]:
    """Merge closed days that are not merged, the oldest first; gives them, in days since 1970.

    Each day is a transaction of its own: writers wait for one day at most.

    Args:
        url: the store's.
        now_ns: the wall clock's time if it is another one.
        most: how many days to merge; None: all.
    """
    parsed = url if isinstance(url, URL) else store_url(url)
    engine = open_to_write(parsed)
    first_open = ((time.time_ns() if now_ns is None else now_ns) - _CLOSED_NS) // NS_PER_DAY
    try:
        with store_errors(parsed):
            with engine.connect() as connection:
                check_tables(connection, parsed)
                days = tuple(islice(_unmerged(connection, first_open), most))
            for day in days:
                with engine.begin() as connection:
                    _merge_day(connection, day)
        return days
    finally:
        engine.dispose()


def reopen(connection: Connection, times_ns: Iterable[int]) -> None:
    """Take back that days are merged of which windows were written in this transaction."""
    for day in sorted({time_ns // NS_PER_DAY for time_ns in times_ns}):
        connection.execute(delete(merged_days).where(merged_days.c.day == day))


def _unmerged(connection: Connection, first_open: int) -> Iterator[int]:
    """Give the closed days that hold windows and are not merged, the oldest first.

    Each series is asked by the windows' key: reading them all would take as long as merging.
    """
    of_series = windows.c.series_id == series.c.id
    oldest = select(func.min(windows.c.time_ns)).where(of_series).scalar_subquery()
    oldest_ns = connection.execute(select(func.min(oldest))).scalar()
    merged = set(connection.execute(select(merged_days.c.day)).scalars())
    first = first_open if oldest_ns is None else int(oldest_ns) // NS_PER_DAY
    for day in range(first, first_open):
        inside = windows.c.time_ns.between(day * NS_PER_DAY, (day + 1) * NS_PER_DAY - 1)
        held = exists().where(of_series, inside)
        if day not in merged and connection.execute(select(series.c.id).where(held).limit(1)).all():
            yield day


def _merge_day(connection: Connection, day: int) -> None:
    if connection.dialect.name == "postgresql":
        # Whoever writes waits, and sees then that the day is merged; so no window slips between
        # the sum and the word that it is whole. SQLite has one writer at a time anyway. (This mode
        # keeps out another merge too.)
        connection.execute(text("LOCK TABLE windows IN SHARE ROW EXCLUSIVE MODE"))
    _sum_up(connection, day, day_values.c.day, NS_PER_DAY)
    _sum_up(connection, day, hour_values.c.hour, NS_PER_HOUR, BY_HOUR)
    connection.execute(delete(merged_days).where(merged_days.c.day == day))
    connection.execute(insert(merged_days), {"day": day})


def _sum_up(
    connection: Connection,
    day: int,
    slot: Column[int],
    slot_ns: int,
    measurements: Sequence[str] = (),
) -> None:
    """Put the sums of a day's windows into the table of a column, which numbers days or hours."""
    first, after = (each * NS_PER_DAY for each in (day, day + 1))
    nth, table = windows.c.time_ns // slot_ns, slot.table
    group = windows.c.series_id, nth, windows.c.field
    sums = select(*group, func.sum(windows.c.value)).group_by(*group)
    sums = sums.where(windows.c.time_ns.between(first, after - 1))
    if measurements:
        ids = select(series.c.id).where(series.c.measurement.in_(measurements))
        sums = sums.where(windows.c.series_id.in_(ids))
    connection.execute(delete(table).where(slot.between(first // slot_ns, after // slot_ns - 1)))
    connection.execute(insert(table).from_select(list(table.c), sums))
