"""Probe: whether a store takes a point, gives it back, and lets go of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic import SecretStr
from sqlalchemy import delete, func, select
from sqlalchemy.engine import URL

from openfeature_triton.hooks import tables
from openfeature_triton.hooks.errors import StoreError
from openfeature_triton.hooks.influx_api import InfluxApi, each_row, text
from openfeature_triton.hooks.sink import Point
from openfeature_triton.hooks.sql_engine import check_tables, open_to_write, store_errors, store_url
from openfeature_triton.hooks.sql_sink import SqlSink

MEASUREMENT = "probe"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried; `problem` is empty where it worked."""

    name: str
    problem: str = ""
    took_ms: float = 0.0


def probe_influx(write: InfluxApi, read: InfluxApi) -> tuple[Step, ...]:
    """Write, read back and delete a point of the bucket of windows; stops at the first problem.

    Args:
        write: with the token that services write with.
        read: with the token that the dashboard reads with.
    """
    key, time_ns = uuid.uuid4().hex, time.time_ns()
    bucket, org = write.settings.bucket, write.settings.org

    def put() -> None:
        write.write(bucket, f"{MEASUREMENT},id={key} value=1 {time_ns}")

    def held() -> int:
        """Give how many points there are of the probe."""
        since, until = time_ns // 10**9 - 1, time_ns // 10**9 + 1
        rows = read.query(
            f"from(bucket: {text(bucket)}) |> range(start: {since}, stop: {until})"
            f" |> filter(fn: (r) => r._measurement == {text(MEASUREMENT)} and r.id == {text(key)})"
        )
        return len(list(each_row(rows)))

    def remove() -> None:
        around = {"start": _time(time_ns - 10**9), "stop": _time(time_ns + 10**9)}
        which = {"predicate": f'_measurement="{MEASUREMENT}" AND id="{key}"'}
        write.post("/api/v2/delete", {**around, **which}, org=org, bucket=bucket)

    steps = [_step("write", put)]
    if not steps[-1].problem:
        steps += [_step("read back", lambda: _expect(held(), 1)), _step("delete", remove)]
        steps.append(_step("find it gone", lambda: _expect(held(), 0)))
    return tuple(steps)


def probe_sql(url: str | SecretStr) -> tuple[Step, ...]:
    """Write, read back and delete a window of a series of its own; stops at the first problem."""
    parsed = store_url(url)
    key, time_ns = uuid.uuid4().hex, time.time_ns()
    tags = tuple((tag, key if tag == "experiment" else "") for tag in tables.TAG_COLUMNS)

    def put() -> None:
        sink = SqlSink(url)
        try:
            sink.write([Point(MEASUREMENT, tags, time_ns, {"value": 1.0})])
        finally:
            sink.close()

    steps = [_step("write", put)]
    if not steps[-1].problem:
        steps.append(_step("read back", lambda: _expect(_held(parsed, key), 1)))
        steps.append(_step("delete", lambda: _remove(parsed, key)))
        steps.append(_step("find it gone", lambda: _expect(_held(parsed, key), 0)))
    return tuple(steps)


class _UnexpectedError(Exception):
    """Something else came back than what was written."""


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise _UnexpectedError(f"{found} points were found, {wanted} should be there")


def _step(name: str, run: Callable[[], None]) -> Step:
    began_s = time.monotonic()
    problem = ""
    try:
        run()
    except (StoreError, _UnexpectedError) as error:
        problem = str(error)
    return Step(name, problem, (time.monotonic() - began_s) * 1000)


def _held(url: URL, key: str) -> int:
    engine = open_to_write(url)
    both = tables.windows.join(tables.series)
    wanted = select(func.count()).select_from(both).where(tables.series.c.experiment == key)
    try:
        with store_errors(url), engine.connect() as connection:
            check_tables(connection, url)
            return int(connection.execute(wanted).scalar_one())
    finally:
        engine.dispose()


def _remove(url: URL, key: str) -> None:
    engine = open_to_write(url)
    ours = select(tables.series.c.id).where(tables.series.c.experiment == key)
    try:
        with store_errors(url), engine.begin() as connection:
            connection.execute(delete(tables.windows).where(tables.windows.c.series_id.in_(ours)))
            connection.execute(delete(tables.series).where(tables.series.c.experiment == key))
    finally:
        engine.dispose()


def _time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, timezone.utc)
    return moment.isoformat().replace("+00:00", "Z")
