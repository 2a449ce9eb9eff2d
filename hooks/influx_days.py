"""Merged days in InfluxDB: one point per series and day, summed over all writers and windows.

The windows stay where they are: a merged day only spares reading them. A day's point is the sum of
its windows, so merging a day again gives the same point, or the right one after late windows.

One run merges every closed day from the first that needs it: one that came after the last merged
day, one that has more marks of late windows than it had when it was merged (`hooks.late`), and the
last two in any case, for the sake of writers whose clocks are wrong. In this order:

1. count the marks,
2. sum the windows into the bucket of merged days,
3. say of each day that it is merged, with the count of step 1.

So at any moment a day that is said to be merged holds all windows that came before its last mark,
and a reader that finds more marks takes the windows themselves (`dashboard.influx_store`).
"""

from __future__ import annotations

from datetime import date, datetime

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.influx_api import InfluxApi, each_row, text
from openfeature_triton.hooks.settings import InfluxSettings

TASK_EVERY = "1h"
TASK_OFFSET = "7m"
LOOK_BACK_DAYS = 60
"""How far the first run looks for windows; `store merge --days` goes further."""

ADDITIVE = (schema.LIGHT, schema.LATENCY, schema.CLUSTERS, schema.EVALUATION)
"""The measurements whose points are merged."""

_DAY_0 = date(1970, 1, 1).toordinal()

_MERGE = """\
import "array"
import "date"
import "generate"

{options}windows = {windows}
days = {days}
closed = date.truncate(t: date.sub(d: 1h, from: now()), unit: 1d)

// When the first row of a table is, or another time where it has no rows.
first = (tables, otherwise) => {{
    row = tables |> group() |> sort(columns: ["_time"]) |> findRecord(fn: (key) => true, idx: 0)

    return if exists row._time then row._time else otherwise
}}
earlier = (a, b) => if a < b then a else b

said = () => from(bucket: days)
    |> range(start: 0, stop: closed)
    |> filter(fn: (r) => r._measurement == {merged} and r._field == {seen})
    |> group()
    |> keep(columns: ["_time", "_value"])

// 1. The marks of late windows, read before any window is.
mark_times = from(bucket: windows)
    |> range(start: 0, stop: closed)
    |> filter(fn: (r) => r._measurement == {late} and r._field == {mark})
    |> group()
    |> findColumn(fn: (key) => true, column: "_time")
marks = (weight) => array.from(
    rows: array.concat(
        arr: [{{_time: closed, _value: 0}}],
        v: array.map(
            arr: mark_times,
            fn: (x) => ({{_time: date.truncate(t: x, unit: 1d), _value: weight}}),
        ),
    ),
)
newest = said() |> sort(columns: ["_time"], desc: true) |> limit(n: 1)
next = date.add(d: 1d, to: first(tables: newest, otherwise: date.sub(d: {look_back}, from: closed)))
late = first(
    tables: union(tables: [marks(weight: -1), said()])
        |> group(columns: ["_time"])
        |> sum()
        |> filter(fn: (r) => r._value != 0),
    otherwise: closed,
)
start = earlier(a: earlier(a: next, b: late), b: date.sub(d: 2d, from: closed))

// 2. The windows of these days; asking for a record makes it happen now. (It happens once more at
// the end, to the same effect: Flux does again what was written to a bucket on the way.)
written = from(bucket: windows)
    |> range(start: start, stop: closed)
    |> filter(fn: (r) => {additive})
    |> aggregateWindow(every: 1d, fn: sum, createEmpty: false, timeSrc: "_start")
    |> to(bucket: days)
    |> keep(columns: ["_measurement"])
    |> group()
    |> findRecord(fn: (key) => true, idx: 0)

// 3. These days are merged, with so many marks.
union(
    tables: [
        generate.from(
            count: int(v: uint(v: closed) - uint(v: start)) / int(v: 1d),
            fn: (n) => 0,
            start: start,
            stop: closed,
        )
            |> keep(columns: ["_time", "_value"]),
        marks(weight: 1) |> filter(fn: (r) => r._time >= start and r._time < closed),
    ],
)
    |> group(columns: ["_time"])
    |> sum()
    |> group()
    |> map(
        fn: (r) => ({{
            _time: r._time,
            _measurement: {merged},
            _field: {seen},
            _value: r._value,
        }}),
    )
    |> to(bucket: days)
"""


def merge_script(
    settings: InfluxSettings, look_back_days: int = LOOK_BACK_DAYS, options: str = ""
) -> str:
    """Give the Flux script that merges what has to be merged, and yields the days it merged."""
    return _MERGE.format(
        options=options,
        windows=text(settings.bucket),
        days=text(settings.days_bucket),
        merged=text(schema.MERGED),
        seen=text(schema.MARKS_SEEN),
        late=text(schema.LATE),
        mark=text(schema.MARK),
        look_back=f"{look_back_days + 1}d",
        additive=" or ".join(f"r._measurement == {text(name)}" for name in ADDITIVE),
    )


def task_script(settings: InfluxSettings) -> str:
    """Give the same script as a task of InfluxDB's own, run each hour."""
    name = text(task_name(settings))
    when = f"every: {TASK_EVERY}, offset: {TASK_OFFSET}"
    return merge_script(settings, options=f"option task = {{name: {name}, {when}}}\n\n")


def task_name(settings: InfluxSettings) -> str:
    """Give the task's name, by which it is found again."""
    return f"openfeature-triton: merge {settings.bucket}"


def merge(
    api: InfluxApi, look_back_days: int = LOOK_BACK_DAYS, now: datetime | None = None
) -> tuple[int, ...]:
    """Merge now; gives the days that were merged, in days since 1970, the oldest first.

    Args:
        api: its token must be allowed to read and write both buckets.
        look_back_days: how far to look for windows if nothing was ever merged.
        now: another time than the server's clock tells.
    """
    rows = each_row(api.query(merge_script(api.settings, look_back_days), now=now))
    merged = {row["_time"] for row in rows if row["_measurement"] == schema.MERGED}
    return tuple(sorted(day_of(time) for time in merged))


def day_of(time: str) -> int:
    """Give the day since 1970 of a time of RFC 3339, as InfluxDB writes it."""
    return date.fromisoformat(time[:10]).toordinal() - _DAY_0
