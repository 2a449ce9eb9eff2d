"""The three kinds of store, empty, each with a way to write to it and to read it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from openfeature_triton.dashboard.influx_store import InfluxStore
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import Query, Store
from openfeature_triton.hooks import (
    InfluxSettings,
    Point,
    Recorder,
    RecorderSettings,
    Sink,
    SqlSink,
    influx_days,
    sql_days,
)
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_setup import set_up
from openfeature_triton.hooks.late import mark_lines
from openfeature_triton.hooks.line_protocol import line
from tests.store_servers import InfluxServer, PostgresServer


@dataclass(frozen=True)
class AnyStore:
    """A store: `sink` writes as at a time given in ns, `merge` merges its closed days as at one."""

    name: str
    read: SqlStore | InfluxStore
    sink: Callable[[Callable[[], int]], Sink]
    merge: Callable[[int], tuple[int, ...]]

    def recorder(self, now_ns: int) -> Recorder:
        """A process that starts at a time, and whose clock then stands still."""
        settings = RecorderSettings(on_sigterm=False)
        return Recorder(self.sink(lambda: now_ns), settings, clock_ns=lambda: now_ns)

    def write(self, now_ns: int, *points: Point) -> None:
        """Write points as a process would at a time."""
        sink = self.sink(lambda: now_ns)
        sink.write(points)
        sink.close()


def one(store: Store, what: str, experiment: str | None = None, **more: Any) -> tuple[Any, ...]:
    """The answer to a single query."""
    (found,) = store.read(Query(what, experiment, **more))
    return found


class ApiSink:
    """Writes to InfluxDB at once, with the marks of late windows that a sender adds."""

    def __init__(self, api: InfluxApi, clock_ns: Callable[[], int]) -> None:
        self._api = api
        self._clock_ns = clock_ns

    def write(self, points: list[Point]) -> None:
        """Write points and marks in one request."""
        lines = [written for point in points if (written := line(point))]
        marks = mark_lines(lines, self._clock_ns())
        self._api.write(self._api.settings.bucket, "\n".join([*lines, *marks]))

    def close(self) -> None:
        """Nothing to do: the connection is the test's."""


def sql_store(url: str) -> AnyStore:
    """An empty store in a database."""
    SqlSink(url).close()
    return AnyStore(
        name=url.split(":", 1)[0],
        read=SqlStore(url),
        sink=lambda _: SqlSink(url),
        merge=lambda now_ns: sql_days.merge(url, now_ns),
    )


def sqlite_store(folder: Path) -> AnyStore:
    """An empty store in a file."""
    return sql_store(f"sqlite:///{folder / 'store.db'}")


def postgres_store(server: PostgresServer) -> AnyStore:
    """An empty store in a database of its own."""
    return sql_store(server.new_database())


def influx_settings(server: InfluxServer) -> InfluxSettings:
    """Settings with buckets of their own, which are not there yet, and the operator's token."""
    name = uuid.uuid4().hex
    return InfluxSettings(
        url=server.url,
        org=server.org,
        token=SecretStr(server.token),
        bucket=name,
        raw_bucket=f"{name}-raw",
        days_bucket=f"{name}-days",
        deadline_s=60,
    )


def influx_store(server: InfluxServer, folder: Path) -> AnyStore:
    """An empty store in InfluxDB; it is read with the token that can only read."""
    settings = influx_settings(server)
    api = InfluxApi(settings)
    list(set_up(api, 30, folder))
    reader = settings.model_copy(update={"token_file": folder / "influx-read.token"})
    return AnyStore(
        name="influx",
        read=InfluxStore(reader),
        sink=lambda clock_ns: ApiSink(api, clock_ns),  # type: ignore[arg-type,return-value]
        merge=lambda now_ns: influx_days.merge(api, now=_time(now_ns)),
    )


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 10**9, timezone.utc)
