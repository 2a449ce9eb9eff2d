"""Tables: the SQL store's shape, for those who write and those who read.

`windows.value` is the running total of one field in one writer's window; `windows.time_ns` is the
window's start plus the writer's constant offset. Reading is `sum(value)`, grouped as one likes.

Whoever changes a table adds a revision for the stores there are: `migrations/versions`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from openfeature_triton.hooks import schema

TAG_COLUMNS = tuple(dict.fromkeys((*schema.SERIES_TAGS, *schema.EVALUATION_TAGS)))
"""The tags of all measurements; a series leaves those empty that its measurement has not."""

metadata = MetaData()

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measurement", Text, nullable=False),
    *(Column(tag, Text, nullable=False, server_default="") for tag in TAG_COLUMNS),
    UniqueConstraint("measurement", *TAG_COLUMNS, name="series_tags"),
)

windows = Table(
    "windows",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id"), primary_key=True),
    Column("time_ns", BigInteger, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

day_values = Table(
    "day_values",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""What the windows of a merged day add up to, over all writers; `day` counts from 1970."""

hour_values = Table(
    "hour_values",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id"), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""The same by hour, counted from 1970, of the measurements that are looked at by the hour."""

merged_days = Table(
    "merged_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
)
"""The days that are merged; one that is not here is read from its windows."""

phases = Table(
    "phases",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("first_seen_ns", BigInteger, nullable=False),
    *(Column(field, Text, nullable=False, server_default="") for field in schema.PHASE_FIELDS),
)

about = Table(
    "store_about",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the store says of itself: `id`, drawn when it was made."""
