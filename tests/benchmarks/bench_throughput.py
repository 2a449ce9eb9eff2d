"""How many outcomes a second a process takes, with nothing lost, beside influxdb-client's batching.

    python tests/benchmarks/bench_throughput.py

One thread, then four together, into the recorder; then the same outcomes as points into the
official client's batching writer, which is given a server that takes all.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from influxdb_client import InfluxDBClient, Point

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from tests.scripted_server import scripted_server

COUNT = 400_000
CLIENT_COUNT = 20_000
SERIES = Series("nmt-indictrans3", "0f3c2a1b", "treatment", "treatment", "nmt", "hi")


def main() -> None:
    """Measure all in one run."""
    with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
        settings = RecorderSettings(spool=Path(folder), on_sigterm=False, raw_points=False)
        recorder = Recorder.open(settings, InfluxSettings(url=server.url))

        def record(count: int) -> None:
            for _ in range(count):
                recorder.record(SERIES, 12.5)

        one = per_s(lambda: record(COUNT), COUNT)
        four = per_s(lambda: together(4, lambda: record(COUNT // 4)), COUNT)
        closed = recorder.close(60)
        stats = recorder.stats()
        told = server.total(schema.LIGHT, schema.REQUESTS)
        print(f"recorder, 1 thread    {one:12,.0f} outcomes a second")
        print(f"recorder, 4 threads   {four:12,.0f} together ({four / one:.2f} of one)")
        lost = dict(stats.dropped)
        print(f"  {2 * COUNT:,} handed over, {told:,.0f} stored, dropped {lost}, {closed=}")
    with scripted_server() as server:
        client = InfluxDBClient(server.url, "token", org="o")
        with client.write_api() as writer:

            def write(count: int) -> None:
                for _ in range(count):
                    point = Point("inference").tag("experiment", SERIES.experiment)
                    point.tag("variant", SERIES.variant).field("latency_ms", 12.5)
                    writer.write("b", "o", point.time(time.time_ns()))

            batching = per_s(lambda: write(CLIENT_COUNT), CLIENT_COUNT)
        client.close()
        print(f"batching writer       {batching:12,.0f} points a second (1/{one / batching:.0f})")


def together(threads: int, work: Callable[[], object]) -> None:
    """Run work in several threads at once."""
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def per_s(work: Callable[[], object], count: int) -> float:
    """Give how many of `count` things were done in a second."""
    started_s = time.perf_counter()
    work()
    return count / (time.perf_counter() - started_s)


if __name__ == "__main__":
    main()
