"""How long pages take: an experiment of 10 million outcomes over 30 days, and a list of 100.

    python -m tests.benchmarks.bench_page sqlite influx
    python -m tests.benchmarks.bench_page sqlite influx --writers 40

Two variants, five languages, windows of 300 s and histograms of 3600 s, as recorders write them.
Closed days are merged, as recorders and InfluxDB's task do. Several writers share the day that is
not closed, and in InfluxDB the first three days, whose windows are read; merged days hold the same
whoever wrote them.

Cold is the first page of a new dashboard, whose server runs; warm is a page whose live part must be
read again, as ten seconds have passed, and every few times what is read once a minute. InfluxDB has
its points in files, as it has after ten minutes, and not all of a month in its memory. Raw points
of a tenth of the outcomes are read beside them, in InfluxDB: counts by day, and p95.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from openfeature_triton.dashboard import DashboardSettings, SqlStore, create_app
from openfeature_triton.dashboard.influx_store import InfluxStore
from openfeature_triton.dashboard.remembering import FRESH_S, RememberingStore
from openfeature_triton.dashboard.serve import load_templates
from openfeature_triton.dashboard.store import Store
from openfeature_triton.hooks import InfluxSettings, Point, SqlSink, influx_days, sql_days
from openfeature_triton.hooks.histogram import bin_of
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_setup import set_up
from openfeature_triton.hooks.line_protocol import line
from tests.influxd_build import find_influxd
from tests.store_servers import running_influx

Item = TypeVar("Item")

DAYS, OUTCOMES, EXPERIMENTS = 30, 10_000_000, 100
RAW_SHARE = 10
LANGUAGES = ("hi-IN", "ta-IN", "bn-IN", "te-IN", "mr-IN")
VARIANTS = ("control", "treatment")
END = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)
END_S = int(END.timestamp())
START_S = END_S - DAYS * 86_400
PER_WINDOW = OUTCOMES // (DAYS * 288 * len(LANGUAGES) * len(VARIANTS))
RUNS = 15

_IN_FILES_S = 20.0
_IN_FILES = ("--storage-cache-snapshot-write-cold-duration", "5s")


def main() -> None:
    """Fill each store, measure, and print milliseconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", choices=["sqlite", "influx"], default=["sqlite"])
    parser.add_argument("--writers", type=int, default=1)
    given = parser.parse_args()
    for kind in given.stores:
        with {"sqlite": in_sqlite, "influx": in_influx}[kind](given.writers) as make_store:
            print(f"{kind}, writing processes: {given.writers}")
            measure(make_store)


def measure(make_store: Callable[[], Store]) -> None:
    """Time the pages, cold and warm."""
    now_s = [0.0]

    def new_client() -> FlaskClient:
        store = RememberingStore(make_store(), lambda: END, lambda: now_s[0])
        settings = DashboardSettings(flags="none.json", access="none", spool="none")
        app = create_app(settings, store=store, clock=lambda: END)
        load_templates(app)  # as a server does before it listens
        return app.test_client()

    new_client().get("/experiments/big")  # loads what a process loads but once
    cold_ms = [time_ms(new_client(), "/experiments/big") for _ in range(RUNS)]
    client = new_client()
    list_cold_ms = time_ms(client, "/")
    page = client.get("/experiments/big").data
    live_ms, page_ms, list_ms = [], [], []
    for _ in range(RUNS):
        now_s[0] += FRESH_S + 1
        live_ms.append(time_ms(client, "/experiments/big"))
        page_ms.append(time_ms(client, "/experiments/big"))
        list_ms.append(time_ms(client, "/"))
    print(f"  page, cold           {spread(cold_ms)} ms")
    print(f"  page, warm           {spread(live_ms)} ms")
    print(f"  page, all remembered {spread(page_ms)} ms")
    print(f"  list of {EXPERIMENTS + 1}, cold    {list_cold_ms:.1f} ms")
    print(f"  list of {EXPERIMENTS + 1}, warm    {spread(list_ms)} ms")
    kb, gzipped_kb = (len(each) / 1e3 for each in (page, gzip.compress(page)))
    print(f"  size of the page     {kb:.0f} kB, {gzipped_kb:.0f} kB gzipped")


def time_ms(client: FlaskClient, path: str) -> float:
    """Time one request; it must succeed."""
    start_s = time.perf_counter()
    response = client.get(path)
    elapsed_ms = (time.perf_counter() - start_s) * 1e3
    assert response.status_code == 200, response.status
    return elapsed_ms


def spread(samples: list[float]) -> str:
    """Give median and range."""
    return f"{statistics.median(samples):6.1f} ({min(samples):.1f}–{max(samples):.1f})"


@contextmanager
def in_sqlite(writers: int) -> Iterator[Callable[[], Store]]:
    """A filled store in a file."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        url = f"sqlite:///{folder}/store.db"
        sink = SqlSink(url)
        for batch in batches(every_point(writers, set()), 5000):
            sink.write(batch)
        sink.close()
        sql_days.merge(url, END_S * 10**9)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("ANALYZE"))
        engine.dispose()

        def make() -> Store:
            store = SqlStore(url)
            opened.callback(store.close)
            return store

        yield make


@contextmanager
def in_influx(writers: int) -> Iterator[Callable[[], Store]]:
    """A filled store in InfluxDB; raw points are read first, and timed."""
    program = find_influxd(lambda said: print(said, file=sys.stderr, flush=True))
    with (
        running_influx(program, *_IN_FILES) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = InfluxSettings(
            url=server.url, org=server.org, token=SecretStr(server.token), deadline_s=120
        )
        api = InfluxApi(settings)
        list(set_up(api, 3650, Path(folder)))
        for batch in batches(map(line, every_point(writers, {0, 1, 2, 3})), 5000):
            api.write(settings.bucket, "\n".join(batch))
        influx_days.merge(api, now=END)
        for batch in batches(map(line, raw_points()), 5000):
            api.write(settings.raw_bucket, "\n".join(batch))
        time.sleep(_IN_FILES_S)
        time_raw(api)
        with ExitStack() as opened:

            def make() -> Store:
                store = InfluxStore(settings)
                opened.callback(store.close)
                return store

            yield make


def time_raw(api: InfluxApi) -> None:
    """Time how long counts by day, and p95, take from raw points."""
    source = (
        f'from(bucket: "{api.settings.raw_bucket}") |> range(start: {START_S}, stop: {END_S})'
        ' |> filter(fn: (r) => r._measurement == "inference" and r._field == "latency_ms")'
    )
    scripts = (
        f"{source} |> aggregateWindow(every: 1d, fn: count, createEmpty: false)",
        f'{source} |> group(columns: ["variant"]) |> quantile(q: 0.95, method: "estimate_tdigest")',
    )
    times_ms = []
    for _ in range(3):
        start_s = time.perf_counter()
        for script in scripts:
            assert api.query(script)
        times_ms.append((time.perf_counter() - start_s) * 1e3)
    print(f"influx, raw points of {OUTCOMES // RAW_SHARE:,} outcomes: {spread(times_ms)} ms")


def batches(given: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Part what is given into lists of a size."""
    left = iter(given)
    while batch := list(islice(left, size)):
        yield batch


def every_point(writers: int, shared_days: set[int]) -> Iterator[Point]:
    """The windows of all experiments; many writers share some of the days, and the last."""
    return chain(phases(), small(), big(writers, shared_days | {DAYS}))


def big(writers: int, shared_days: set[int]) -> Iterator[Point]:
    """The windows of the one large experiment."""
    chance = np.random.default_rng(7)
    for nth in range(DAYS * 288):
        time_s = START_S + nth * 300
        several = writers if time_s // 86_400 - START_S // 86_400 in shared_days else 1
        for tags in series("big"):
            for writer in range(several):
                time_ns = time_s * 10**9 + 17 + writer
                latency_ms = np.exp(chance.normal(4.5, 0.4, 8))
                fields = light(PER_WINDOW / several, latency_ms)
                yield Point("inference_light", tags, time_ns, fields)
                if nth % 12 == 0:
                    fields = histogram(chance, PER_WINDOW * 12 / several)
                    yield Point("inference_latency", tags, time_ns, fields)


def histogram(chance: np.random.Generator, requests: float) -> dict[str, float]:
    """The bins of an hour."""
    drawn = bin_of(np.exp(chance.normal(4.5, 0.4, max(round(requests), 1))))
    bins, counts = np.unique(drawn, return_counts=True)
    return {f"h{b}": float(c) for b, c in zip(bins, counts, strict=True)}


def raw_points() -> Iterator[Point]:
    """Single outcomes, a tenth of them."""
    chance = np.random.default_rng(8)
    every, count = tuple(series("big")), OUTCOMES // RAW_SHARE
    step_ns = DAYS * 86_400 * 10**9 // count
    for nth, latency_ms in enumerate(np.exp(chance.normal(4.5, 0.4, count)).tolist()):
        fields = {"success": nth % 30 > 0, "latency_ms": latency_ms}
        yield Point("inference", every[nth % len(every)], START_S * 10**9 + nth * step_ns, fields)


def small() -> Iterator[Point]:
    """A hundred experiments with one window each."""
    time_ns = (END_S - 3600) * 10**9
    for nth in range(EXPERIMENTS):
        for tags in series(f"small-{nth:03}"):
            yield Point("inference_light", tags, time_ns, light(500, np.full(8, 90.0)))


def phases() -> Iterator[Point]:
    """Weights and metadata of each experiment."""
    metadata = '{"control": "control", "task_type": "nmt", "planned_requests": 20000000}'
    fields = {
        "weights": '{"control": 50, "treatment": 50}',
        "metadata": metadata,
        "definition": "{}",
        "bucketing": "v3",
    }
    for key in ("big", *(f"small-{nth:03}" for nth in range(EXPERIMENTS))):
        yield Point("experiment_phase", (("experiment", key), ("phase", "aaaa1111")), 1, fields)


def series(key: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """The tags of each variant and language."""
    for language in LANGUAGES:
        for variant in VARIANTS:
            yield (
                ("experiment", key),
                ("phase", "aaaa1111"),
                ("variant", variant),
                ("served", variant),
                ("task_type", "nmt"),
                ("language", language),
            )


def light(
    requests: float, latency_ms: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, float]:
    """The fields of one window."""
    scale, logs = requests / len(latency_ms), np.log(latency_ms)
    return {
        "exposures": float(requests),
        "requests": float(requests),
        "errors": float(requests / 30),
        "error_timeout": float(requests / 30),
        "latency_ms_sum": float(latency_ms.sum() * scale),
        "latency_ms_sumsq": float((latency_ms**2).sum() * scale),
        "latency_ln_sum": float(logs.sum() * scale),
        "latency_ln_sumsq": float((logs**2).sum() * scale),
    }


if __name__ == "__main__":
    main()
