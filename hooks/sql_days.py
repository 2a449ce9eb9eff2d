"""Merged days in a database: one row per series, day and field, summed over writers and windows.

The windows stay where they are: a merged day only spares reading them. Whoever writes a window of a
merged day takes back, in the same transaction, that the day is merged; readers take the windows
then, and the next run merges the day again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from pydantic import SecretStr
from sqlalchemy import Connection, delete, func, insert, literal, select, text
from sqlalchemy.engine import URL

from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.sql_engine import check_tables, open_to_write, store_errors, store_url
from openfeature_triton.hooks.tables import day_values, merged_days, windows

_CLOSED_NS = 3600 * 10**9  # a day is merged an hour after its end


def merge(url: str | SecretStr | URL, now_ns: int | None = None) -> tuple[int, ...]:
    """Merge all closed days that are not merged; gives them, in days since 1970.

    Each day is a transaction of its own: writers wait for one day at most.
    """
    parsed = url if isinstance(url, URL) else store_url(url)
    engine = open_to_write(parsed)
    first_open = ((time.time_ns() if now_ns is None else now_ns) - _CLOSED_NS) // NS_PER_DAY
    try:
        with store_errors(parsed):
            with engine.connect() as connection:
                check_tables(connection, parsed)
                days = _unmerged(connection, first_open)
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


def _unmerged(connection: Connection, first_open: int) -> tuple[int, ...]:
    """Give the closed days that hold windows and are not merged, the oldest first."""
    day = windows.c.time_ns // NS_PER_DAY
    held = select(day).where(windows.c.time_ns < first_open * NS_PER_DAY).distinct()
    done = set(connection.execute(select(merged_days.c.day)).scalars())
    return tuple(sorted({int(each) for each in connection.execute(held).scalars()} - done))


def _merge_day(connection: Connection, day: int) -> None:
    if connection.dialect.name == "postgresql":
        # Whoever writes waits, and sees then that the day is merged; so no window slips between
        # the sum and the word that it is whole. SQLite has one writer at a time anyway. (This mode
        # keeps out another merge too.)
        connection.execute(text("LOCK TABLE windows IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(delete(day_values).where(day_values.c.day == day))
    inside = windows.c.time_ns.between(day * NS_PER_DAY, (day + 1) * NS_PER_DAY - 1)
    group = windows.c.series_id, windows.c.field
    sums = select(group[0], literal(day), group[1], func.sum(windows.c.value))
    columns = ["series_id", "day", "field", "value"]
    connection.execute(insert(day_values).from_select(columns, sums.where(inside).group_by(*group)))
    connection.execute(delete(merged_days).where(merged_days.c.day == day))
    connection.execute(insert(merged_days), {"day": day})
