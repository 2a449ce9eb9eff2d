"""How long `Recorder.record` takes at most in each fault, and how soon the first point comes after.

    python -m tests.benchmarks.bench_faults

100 calls a second for some seconds a fault, each timed alone, among traffic of 500 other series
that keeps folding, spooling and sending busy. Beside it the same calls of an empty function, as the
machine itself keeps a thread waiting now and then; and the longest call less what its thread waited
for a core meanwhile, which Linux counts.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from openfeature_triton.hooks import Recorder
from tests.benchmarks.core_waits import CoreWaits
from tests.scripted_server import Reply, Script, ScriptedServer, scripted_server
from tests.spooling import CONTROL, arrived, open_recorder, until
from tests.store_servers import free_port

SECONDS = 6.0
LONG_S = 40.0
PER_S = 100
OTHERS = [CONTROL._replace(variant=f"v{number}") for number in range(500)]
OTHERS_A_CALL = 20

FAULTS: dict[str, Script] = {
    "none": Reply.store,
    "never answers": lambda reply, _: _wait(reply),
    "drips": lambda reply, _: _drip(reply),
    "cuts": lambda reply, _: reply.cut(),
    "503": lambda reply, _: reply.answer(503),
    "429": lambda reply, _: reply.answer(429, Retry_After="1"),
    "401": lambda reply, _: reply.refuse(401, "unauthorized access"),
    "404": lambda reply, _: reply.refuse(404, "bucket not found"),
    "400": lambda reply, _: reply.refuse(400, "unable to parse"),
}


def main() -> None:
    """Measure each fault, then those of the disk and of nobody listening."""
    print(f"{'':16} {'record, µs':>29}   {'empty call':>17}   first point")
    head = f"{'p50':>7} {'p99':>6} {'most':>6} {'on core':>7}   {'most':>8} {'on core':>8}"
    print(f"{'fault':16} {head}   after")
    for name, script in FAULTS.items():
        with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
            server.script = script
            recorder = open_recorder(server.url, Path(folder))
            _measure(name, recorder, server)
    with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
        server.script = FAULTS["503"]
        _measure("503 for long", open_recorder(server.url, Path(folder)), server, LONG_S)
    with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
        recorder = open_recorder(server.url, Path(folder))
        recorder.record(CONTROL, 10.0)
        until(lambda: arrived(server) == 1)
        with _locked(Path(folder)):
            _measure("spool locked", recorder, server)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        recorder = open_recorder(f"http://127.0.0.1:{port}", Path(folder))
        took, empty = _time(recorder)
        returned_s = time.monotonic()
        with scripted_server(port) as server:
            until(lambda: server.received)
            _print("nobody listens", took, empty, server.received[0].at_s - returned_s)
            recorder.close(30)
            assert arrived(server) == recorder.stats().recorded, recorder.stats()


class Took(NamedTuple):
    """How long calls took, and how long the thread waited for a core meanwhile; all in µs."""

    all_us: list[float]
    on_core_us: list[float]


def _measure(
    name: str, recorder: Recorder, server: ScriptedServer, seconds: float = SECONDS
) -> None:
    took, empty = _time(recorder, seconds)
    server.script, returned_s = Reply.store, time.monotonic()
    until(lambda: server.received[-1].at_s > returned_s)
    first_s = next(each.at_s for each in server.received if each.at_s > returned_s) - returned_s
    _print(name, took, empty, first_s)
    recorder.close(30)
    stats = recorder.stats()
    assert arrived(server) + stats.delivery.dead_lettered == stats.recorded, stats
    assert not stats.dropped, stats


def _time(recorder: Recorder, seconds: float = SECONDS) -> tuple[Took, Took]:
    """Give how long each call took, and each of an empty function."""
    took, empty, others = Took([], []), Took([], []), cycle(OTHERS)
    waits = CoreWaits(threading.get_native_id())
    for _ in range(int(seconds * PER_S)):
        _add(took, waits, lambda: recorder.record(CONTROL, 10.0))
        _add(empty, waits, lambda: None)
        for series in islice(others, OTHERS_A_CALL):
            recorder.record(series, 10.0)
        time.sleep(1 / PER_S)
    waits.close()
    return took, empty


def _add(took: Took, waits: CoreWaits, call: Callable[[], object]) -> None:
    """Time one call."""
    waited_ms, before_ns = waits.ms(), time.perf_counter_ns()
    call()
    spent_us = (time.perf_counter_ns() - before_ns) / 1e3
    took.all_us.append(spent_us)
    took.on_core_us.append(spent_us - (waits.ms() - waited_ms) * 1e3)


def _print(name: str, took: Took, empty: Took, first_s: float) -> None:
    p50, p99 = statistics.median(took.all_us), statistics.quantiles(took.all_us, n=100)[98]
    of_record = f"{p50:7.1f} {p99:6.1f} {max(took.all_us):6.0f} {max(took.on_core_us):7.0f}"
    of_empty = f"{max(empty.all_us):8.0f} {max(empty.on_core_us):8.0f}"
    print(f"{name:16} {of_record}   {of_empty}   {first_s:.2f} s")


def _wait(reply: Reply) -> None:
    reply.server.ending.wait()


def _drip(reply: Reply) -> None:
    reply.wfile.write(b"HTTP/1.1 204 No Content\r\nX: ")
    while not reply.server.ending.wait(0.02):
        reply.wfile.write(b"x")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    (path,) = folder.glob("*.spool")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


if __name__ == "__main__":
    main()
