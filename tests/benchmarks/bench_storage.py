"""Bytes that InfluxDB keeps per outcome after compaction: our windows beside raw points.

    python -m tests.benchmarks.bench_storage

Two kinds of traffic, over 2 variants × 5 languages: 4 a second for 30 days, and 2,000 a second for
an hour. Windows hold all outcomes; each is written three times at its running totals, as a recorder
does, and compaction leaves the last. Raw points are written for the first part of the same outcomes
alone (`RAW_SAMPLE`), as their size per outcome does not depend on how many there are.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings, schema
from openfeature_triton.hooks.histogram import bin_of
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_setup import set_up
from openfeature_triton.hooks.line_protocol import line
from openfeature_triton.hooks.sink import Point, Tags
from tests.influxd_build import find_influxd
from tests.store_servers import InfluxServer, running_influx

RAW_SAMPLE = 600_000
WRITES = (1 / 3, 2 / 3, 1.0)
LIGHT_S, LATENCY_S = 300, 3600
BATCH = 5000
DAY_S = 86_400
SERIES: tuple[Tags, ...] = tuple(
    (
        *(("experiment", "nmt-indictrans3"), ("phase", "0f3c2a1b"), ("variant", variant)),
        *(("served", variant), ("task_type", "nmt"), ("language", language)),
    )
    for variant in ("control", "treatment")
    for language in ("hi", "ta", "bn", "te", "mr")
)
COMPACT = (
    *("--storage-cache-snapshot-write-cold-duration", "1s"),
    *("--storage-compact-full-write-cold-duration", "1s"),
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """Outcomes at an even rate, and how much smaller than raw points they have to be stored."""

    name: str
    per_s: int
    length_s: int
    goal: float


TRAFFIC = (
    Traffic("4/s for 30 days", 4, 30 * DAY_S, 1 / 10),
    Traffic("2,000/s for an hour", 2000, 3600, 1 / 50),
)


def main() -> int:
    """Store, compact, measure; exit code 1 if a goal is missed."""
    missed = 0
    program = find_influxd(lambda said: print(said, file=sys.stderr, flush=True))
    for traffic in TRAFFIC:
        with running_influx(program, *COMPACT) as server, tempfile.TemporaryDirectory() as folder:
            windows, raw = measure(server, traffic, Path(folder))
        ratio = windows / raw
        missed += ratio > traffic.goal
        print(
            f"{traffic.name:<20} windows {windows:7.3f} B  raw points {raw:6.2f} B an outcome"
            f"  1/{1 / ratio:.0f} (goal: 1/{1 / traffic.goal:.0f})",
            flush=True,
        )
    return min(missed, 1)


def measure(server: InfluxServer, traffic: Traffic, folder: Path) -> tuple[float, float]:
    """Give the bytes per outcome of windows and of raw points."""
    settings = InfluxSettings(
        url=server.url, org=server.org, token=SecretStr(server.token), deadline_s=120
    )
    api = InfluxApi(settings)
    list(set_up(api, 3650, folder))
    end_s = int(time.time()) // DAY_S * DAY_S
    start_s = end_s - traffic.length_s
    outcomes = traffic.per_s * traffic.length_s
    drawn = np.random.default_rng(1)
    for tags in SERIES:
        write(api, settings.bucket, windows_of(drawn, traffic, tags, start_s))
    sample = min(RAW_SAMPLE, outcomes)
    write(api, settings.raw_bucket, raw_points(drawn, traffic, sample, start_s))
    ids = [
        api.get("/api/v2/buckets", name=name)["buckets"][0]["id"]
        for name in (settings.bucket, settings.raw_bucket)
    ]
    windows, raw = (compacted_bytes(server.folder / "engine", each) for each in ids)
    return windows / outcomes, raw / sample


def windows_of(
    drawn: np.random.Generator, traffic: Traffic, tags: Tags, start_s: int
) -> Iterator[str]:
    """Give the lines of a series' windows, each as often as `WRITES` says, at growing totals."""
    offset_ns = int(drawn.integers(LIGHT_S * 10**9))
    for hour_s in range(start_s, start_s + traffic.length_s, LATENCY_S):
        size = drawn.poisson(traffic.per_s * LATENCY_S / len(SERIES))
        times_s = np.sort(drawn.uniform(0, LATENCY_S, size))
        latencies_ms, failed = drawn.lognormal(4, 0.6, size), drawn.random(size) < 0.01
        words = drawn.integers(1, 40, size).astype(np.float64)
        for begin_s in range(0, LATENCY_S, LIGHT_S):
            first, after = np.searchsorted(times_s, (begin_s, begin_s + LIGHT_S))
            for share in WRITES:
                part = slice(first, first + int((after - first) * share))
                fields = light_fields(latencies_ms[part], failed[part], words[part])
                time_ns = (hour_s + begin_s) * 10**9 + offset_ns
                yield line(Point(schema.LIGHT, tags, time_ns, fields))
        for share in WRITES:
            bins, counts = np.unique(bin_of(latencies_ms[: int(size * share)]), return_counts=True)
            histogram = {
                schema.bin_field(int(each)): float(count)
                for each, count in zip(bins, counts, strict=True)
            }
            yield line(Point(schema.LATENCY, tags, hour_s * 10**9 + offset_ns, histogram))


def light_fields(
    latencies_ms: Floats, failed: npt.NDArray[np.bool_], words: Floats
) -> dict[str, float]:
    """Give the running totals that a recorder keeps of these outcomes."""
    if not len(latencies_ms):
        return {}
    ln_ms = np.log(latencies_ms)
    n, total, total_of_squares = schema.metric_fields("output_words")
    fields = {
        schema.EXPOSURES: float(len(latencies_ms)),
        schema.REQUESTS: float(len(latencies_ms)),
        schema.LATENCY_SUM: float(latencies_ms.sum()),
        schema.LATENCY_SUMSQ: float((latencies_ms**2).sum()),
        schema.LATENCY_LN_SUM: float(ln_ms.sum()),
        schema.LATENCY_LN_SUMSQ: float((ln_ms**2).sum()),
        n: float(len(words)),
        total: float(words.sum()),
        total_of_squares: float((words**2).sum()),
    }
    errors = float(failed.sum())
    return fields | (
        {schema.ERRORS: errors, schema.error_field("timeout"): errors} if errors else {}
    )


def raw_points(
    drawn: np.random.Generator, traffic: Traffic, sample: int, start_s: int
) -> Iterator[str]:
    """Give the lines of single outcomes."""
    times_ns = start_s * 10**9 + np.cumsum(drawn.exponential(1e9 / traffic.per_s, sample)).astype(
        np.int64
    )
    latencies_ms, failed = drawn.lognormal(4, 0.6, sample), drawn.random(sample) < 0.01
    words, which = drawn.integers(1, 40, sample), drawn.integers(len(SERIES), size=sample)
    for nth in range(sample):
        fields: dict[str, float | int | str] = {
            "success": 0 if failed[nth] else 1,
            "latency_ms": float(latencies_ms[nth]),
            "output_words": float(words[nth]),
        }
        if failed[nth]:
            fields["error_class"] = "timeout"
        yield line(Point(schema.RAW, SERIES[which[nth]], int(times_ns[nth]), fields))


def write(api: InfluxApi, bucket: str, lines: Iterator[str]) -> None:
    """Write lines in batches."""
    batch: list[str] = []
    for each in lines:
        if each:
            batch.append(each)
        if len(batch) == BATCH:
            api.write(bucket, "\n".join(batch))
            batch = []
    if batch:
        api.write(bucket, "\n".join(batch))


def compacted_bytes(engine: Path, bucket: str) -> int:
    """Wait until a bucket is compacted: no log left, no file changed for a while; give its size.

    That of the files that hold points: the list of series beside them is allocated in advance, the
    same for both buckets.
    """
    seen: tuple[int, int] = (0, 0)
    quiet_since_s = time.monotonic()
    while time.monotonic() < quiet_since_s + 10:
        time.sleep(1)
        files = list((engine / "data" / bucket).rglob("*.tsm"))
        log = sum(path.stat().st_size for path in (engine / "wal" / bucket).rglob("*.wal"))
        now = sum(path.stat().st_size for path in files), log
        if now != seen or log:
            seen, quiet_since_s = now, time.monotonic()
    return seen[0]


if __name__ == "__main__":
    sys.exit(main())
