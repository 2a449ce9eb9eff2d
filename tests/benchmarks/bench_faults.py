"""How long `Recorder.record` takes at most in each fault, and how soon the first point comes after.

    python -m tests.benchmarks.bench_faults

100 calls a second for some seconds a fault, each timed alone; beside it the same calls of an empty
function, as the machine itself keeps a thread waiting now and then.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openfeature_triton.hooks import Recorder
from tests.scripted_server import Reply, Script, ScriptedServer, scripted_server
from tests.spooling import CONTROL, arrived, open_recorder, until
from tests.store_servers import free_port

SECONDS = 6.0
PER_S = 100

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
    print(f"{'fault':16} record, µs: p50, p99, most   an empty call: most   first point after")
    for name, script in FAULTS.items():
        with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
            server.script = script
            recorder = open_recorder(server.url, Path(folder))
            _measure(name, recorder, server)
    with scripted_server() as server, tempfile.TemporaryDirectory() as folder:
        recorder = open_recorder(server.url, Path(folder))
        recorder.record(CONTROL, 10.0)
        until(lambda: arrived(server) == 1)
        with _locked(Path(folder)):
            _measure("spool locked", recorder, server, already=1)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        recorder = open_recorder(f"http://127.0.0.1:{port}", Path(folder))
        took_us, empty_us = _time(lambda: recorder.record(CONTROL, 10.0))
        returned_s = time.monotonic()
        with scripted_server(port) as server:
            until(lambda: server.received)
            _print("nobody listens", took_us, empty_us, server.received[0].at_s - returned_s)
            recorder.close(30)
            assert arrived(server) == len(took_us), recorder.stats()


def _measure(name: str, recorder: Recorder, server: ScriptedServer, already: int = 0) -> None:
    took_us, empty_us = _time(lambda: recorder.record(CONTROL, 10.0))
    server.script, returned_s = Reply.store, time.monotonic()
    until(lambda: server.received[-1].at_s > returned_s)
    first_s = next(each.at_s for each in server.received if each.at_s > returned_s) - returned_s
    _print(name, took_us, empty_us, first_s)
    recorder.close(30)
    lost = recorder.stats().delivery.dead_lettered
    assert arrived(server) + lost == len(took_us) + already, recorder.stats()


def _time(call: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Give how long each call took, and each of an empty function, in µs."""
    took_us, empty_us = [], []
    for _ in range(int(SECONDS * PER_S)):
        took_us.append(_us(call))
        empty_us.append(_us(lambda: None))
        time.sleep(1 / PER_S)
    return took_us, empty_us


def _us(call: Callable[[], object]) -> float:
    before = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - before) / 1e3


def _print(name: str, took_us: list[float], empty_us: list[float], first_s: float) -> None:
    p50, p99 = statistics.median(took_us), statistics.quantiles(took_us, n=100)[98]
    print(
        f"{name:16} {p50:12.1f} {p99:6.1f} {max(took_us):7.1f} {max(empty_us):20.1f}"
        f" {first_s:19.2f} s"
    )


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
