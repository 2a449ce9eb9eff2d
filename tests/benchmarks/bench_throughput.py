"""How many outcomes a second a process takes, with nothing lost, beside influxdb-client's batching.

    python tests/benchmarks/bench_throughput.py

First recording alone, then choosing a variant and recording, by one thread and by four together,
by turns, each until the server has been told of the last outcome: so adding up and sending are in
it. Timed by the process's processor time, as one thread at a time has the interpreter and other
programs would count else; by the clock, too. Then single outcomes as points into the official
client's batching writer, which is given a server that takes all.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from influxdb_client import InfluxDBClient, Point
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config import example, parse_document
from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from openfeature_triton.provider import Service, TritonProvider
from openfeature_triton.provider.candidate import Assignment
from tests.scripted_server import ScriptedServer, scripted_server

COUNT = 2_000_000
ROUNDS = 3
CLIENT_COUNT = 20_000
SERIES = Series("nmt-indictrans3", "0f3c2a1b", "treatment", "treatment", "nmt", "hi")

Work = Callable[[Recorder, int], object]


def main() -> None:
    """Measure all in one run, by turns."""
    provider = _provider()

    keys = [f"user-{number}" for number in range(COUNT)]
    known: dict[object, Series] = {}

    def choose_and_record(recorder: Recorder, count: int) -> None:
        for key in islice(keys, count):
            assigned = provider.assign("nmt", "hi", key)
            series = known.get(assigned[:3]) or _remember(known, assigned)
            recorder.record(series, 12.5)

    cases: dict[str, tuple[int, Work]] = {
        "record, 1 thread": (1, _record),
        "choose + record, 1 thread": (1, choose_and_record),
        "choose + record, 4 threads": (4, choose_and_record),
    }
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (threads, work) in cases.items():
            rates[name].append(_outcomes_per_s(work, threads))
    for name, measured in rates.items():
        print(f"{name:28} {_spread(measured)} outcomes a second")
    batching = _batching_per_s()
    ratio = statistics.median(rates["record, 1 thread"]) / batching
    print(f"{'batching writer, 1 thread':28} {batching:9,.0f} points a second: 1/{ratio:.0f}")


def _provider() -> TritonProvider:
    flags = example("nmt")
    (experiment,) = parse_document(flags.read_bytes(), source="nmt").experiments.values()
    services = {
        name: Service(name, "nmt", "127.0.0.1:9", name) for name in experiment.services.values()
    }
    provider = TritonProvider(flags, services)
    provider.initialize(EvaluationContext())
    return provider


def _remember(known: dict[object, Series], assigned: object) -> Series:
    """Give whose outcomes those of an assignment are."""
    assert isinstance(assigned, Assignment)
    experiment, phase, variant, *_ = assigned
    series = known[assigned[:3]] = Series(experiment, phase, variant, variant, "nmt", "hi")
    return series


def _record(recorder: Recorder, count: int) -> None:
    for _ in range(count):
        recorder.record(SERIES, 12.5)


def _outcomes_per_s(work: Work, threads: int) -> float:
    """Record, and see to it that each outcome has arrived."""
    with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
        settings = RecorderSettings(spool=Path(folder), on_sigterm=False, raw_points=False)
        recorder = Recorder.open(settings, InfluxSettings(url=server.url))
        clock_s, cpu_s = time.perf_counter(), time.process_time()
        _together(threads, lambda: work(recorder, COUNT // threads))
        assert recorder.close(60)
        clock_s, cpu_s = time.perf_counter() - clock_s, time.process_time() - cpu_s
        print(f"  {threads} threads: {clock_s:.2f} s, of which {cpu_s:.2f} s on the processor")
        _check(recorder, server)
    return COUNT / cpu_s


def _check(recorder: Recorder, server: ScriptedServer) -> None:
    """Count what arrived against what was recorded."""
    arrived = server.total(schema.LIGHT, schema.REQUESTS)
    if arrived != COUNT or recorder.stats().dropped:
        print(f"LOST: {COUNT:,} recorded, {arrived:,.0f} arrived, {recorder.stats().dropped}")


def _together(threads: int, work: Callable[[], object]) -> None:
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _batching_per_s() -> float:
    """Give how many points a second the official client's batching writer takes."""
    with scripted_server() as server:
        client = InfluxDBClient(server.url, "token", org="o")
        with client.write_api() as writer:
            started_s = time.process_time()
            for _ in range(CLIENT_COUNT):
                point = Point("inference").tag("experiment", SERIES.experiment)
                point.tag("variant", SERIES.variant).field("latency_ms", 12.5)
                writer.write("b", "o", point.time(time.time_ns()))
            took_s = time.process_time() - started_s
        client.close()
    return CLIENT_COUNT / took_s


def _spread(values: list[float]) -> str:
    """Write the median, the least and the greatest."""
    return f"{statistics.median(values):9,.0f} ({min(values):,.0f} to {max(values):,.0f})"


if __name__ == "__main__":
    main()
