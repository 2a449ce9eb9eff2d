"""How many outcomes a second a process takes, with nothing lost, beside influxdb-client's batching.

    python tests/benchmarks/bench_throughput.py

Recording alone, then choosing a variant and recording, by one thread and by four together, by
turns, each until the server has been told of the last outcome: so adding up and sending are in it.
Timed by the process's processor time, as one thread at a time has the interpreter and other
programs would count else; by the clock, too. Four are held to the one just before and after them,
as a machine's clock drifts, and so is counting to a number, which shares nothing but the
interpreter. Keys come again, as a request's key has just been made, and is no far memory. Then
single outcomes as points into the official client's batching writer, which is given a server that
takes all.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import cycle, islice, pairwise
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
ROUNDS = 7
KEYS = [f"user-{number}" for number in range(20_000)]
CLIENT_COUNT = 20_000
SERIES = Series("nmt-indictrans3", "0f3c2a1b", "treatment", "treatment", "nmt", "hi")

Work = Callable[[Recorder, int], object]


def main() -> None:
    """Measure all in one run, by turns."""
    provider = _provider()

    known: dict[object, Series] = {}

    def choose_and_record(recorder: Recorder, count: int) -> None:
        for key in islice(cycle(KEYS), count):
            assigned = provider.assign("nmt", "hi", key)
            series = known.get(assigned[:3]) or _remember(known, assigned)
            recorder.record(series, 12.5)

    alone = [_outcomes_per_s(_record, 1) for _ in range(ROUNDS)]
    one, four = _by_turns(lambda threads: _outcomes_per_s(choose_and_record, threads))
    floor = _by_turns(_counted_per_s)
    batching = _batching_per_s()
    for name, measured in (
        ("record, 1 thread", alone),
        ("choose + record, 1 thread", one),
        ("choose + record, 4 threads", four),
        ("batching writer, 1 thread", [batching]),
    ):
        print(f"{name:27} {_spread(measured, ',.0f')} outcomes a second")
    print(f"{'4 threads beside 1':27} {_spread(_ratios(one, four), '.2f')} ×")
    print(f"{'the same of mere counting':27} {_spread(_ratios(*floor), '.2f')} ×")
    print(f"{'batching beside record':27} 1/{statistics.median(alone) / batching:.0f}")


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


def _by_turns(rate: Callable[[int], float]) -> tuple[list[float], list[float]]:
    """Give the rates of one thread, and those of four in between."""
    one, four = [rate(1)], []
    for _ in range(ROUNDS):
        four.append(rate(4))
        one.append(rate(1))
    return one, four


def _ratios(one: list[float], four: list[float]) -> list[float]:
    """Give four threads' rates as shares of those of one thread just before and after."""
    return [2 * each / sum(beside) for each, beside in zip(four, pairwise(one), strict=True)]


def _counted_per_s(threads: int) -> float:
    """Count, with nothing shared but the interpreter."""
    cpu_s = time.process_time()
    _together(threads, lambda: sum(1 for _ in range(10 * COUNT // threads)))
    return 10 * COUNT / (time.process_time() - cpu_s)


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


def _spread(values: list[float], form: str) -> str:
    """Write the median, the least and the greatest."""
    return f"{statistics.median(values):9{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
