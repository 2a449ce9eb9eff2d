"""How long pages take: an experiment of 10 million outcomes over 30 days, and a list of 100.

    python tests/benchmarks/bench_page.py

Two variants, five languages, windows of 300 s and histograms of 3600 s in SQLite, as one process
writes them. Cold is the first page of a dashboard, warm one that comes after the live part must be
read again.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import numpy as np
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from openfeature_triton.dashboard import DashboardSettings, SqlStore, create_app
from openfeature_triton.dashboard.remembering import RememberingStore
from openfeature_triton.hooks import Point, SqlSink
from openfeature_triton.hooks.histogram import bin_of

DAYS, OUTCOMES, EXPERIMENTS = 30, 10_000_000, 100
LANGUAGES = ("hi-IN", "ta-IN", "bn-IN", "te-IN", "mr-IN")
VARIANTS = ("control", "treatment")
END = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def main() -> None:
    """Fill a store, measure, and print milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        fill(url)
        measure(url, Path(folder))


def measure(url: str, folder: Path) -> None:
    """Time the pages, cold and warm."""
    settings = DashboardSettings(store=SecretStr(url), flags=str(folder / "none.json"))
    now_s = [0.0]
    store = RememberingStore(SqlStore(url), lambda: END, lambda: now_s[0])
    client = create_app(settings, store=store, clock=lambda: END).test_client()
    cold_ms = time_ms(client, "/experiments/big")
    remembered_ms = [time_ms(client, "/experiments/big") for _ in range(15)]
    live_ms = []
    for _ in range(7):
        now_s[0] += 11.0
        live_ms.append(time_ms(client, "/experiments/big"))
    list_cold_ms = time_ms(client, "/")
    list_ms = [time_ms(client, "/") for _ in range(15)]
    page = client.get("/experiments/big").data
    print(f"page of {OUTCOMES:,} outcomes over {DAYS} days: cold {cold_ms:.0f} ms")
    print(f"  warm, all remembered        {spread(remembered_ms)} ms")
    print(f"  warm, live part read again  {spread(live_ms)} ms")
    count, kb = EXPERIMENTS + 1, len(page) / 1e3
    print(f"list of {count} experiments: cold {list_cold_ms:.0f} ms, warm {spread(list_ms)} ms")
    print(f"size of the page: {kb:.0f} kB, {len(gzip.compress(page)) / 1e3:.0f} kB gzipped")


def time_ms(client: FlaskClient, path: str) -> float:
    """Time one request; it must succeed."""
    start_s = time.perf_counter()
    response = client.get(path)
    elapsed_ms = (time.perf_counter() - start_s) * 1e3
    assert response.status_code == 200, response.status
    return elapsed_ms


def spread(samples: list[float]) -> str:
    """Give median and range."""
    return f"{statistics.median(samples):.1f} ({min(samples):.1f}–{max(samples):.1f})"


def fill(url: str) -> None:
    """Write the windows of all experiments."""
    sink = SqlSink(url)
    points = (*phases(), *small())
    sink.write(points)
    stream = big()
    while batch := list(islice(stream, 5000)):
        sink.write(batch)
    sink.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def big() -> Iterator[Point]:
    """The windows of the one large experiment."""
    chance = np.random.default_rng(7)
    start_s = int(END.timestamp()) - DAYS * 86_400
    windows = DAYS * 288
    per_window = OUTCOMES // (windows * len(LANGUAGES) * len(VARIANTS))
    for nth in range(windows):
        time_ns = (start_s + nth * 300) * 10**9 + 17
        for tags in series("big"):
            latency_ms = np.exp(chance.normal(4.5, 0.4, 8))
            yield Point("inference_light", tags, time_ns, light(per_window, latency_ms))
            if nth % 12 == 0:
                bins, counts = np.unique(
                    bin_of(np.exp(chance.normal(4.5, 0.4, 400))), return_counts=True
                )
                scale = per_window * 12 / 400
                fields = {f"h{b}": float(c * scale) for b, c in zip(bins, counts, strict=True)}
                yield Point("inference_latency", tags, time_ns, fields)


def small() -> Iterator[Point]:
    """A hundred experiments with one window each."""
    time_ns = (int(END.timestamp()) - 3600) * 10**9
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
    requests: int, latency_ms: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, float]:
    """The fields of one window."""
    scale, logs = requests / len(latency_ms), np.log(latency_ms)
    return {
        "exposures": float(requests),
        "requests": float(requests),
        "errors": float(requests // 30),
        "error_timeout": float(requests // 30),
        "latency_ms_sum": float(latency_ms.sum() * scale),
        "latency_ms_sumsq": float((latency_ms**2).sum() * scale),
        "latency_ln_sum": float(logs.sum() * scale),
        "latency_ln_sumsq": float((logs**2).sum() * scale),
    }


if __name__ == "__main__":
    main()
