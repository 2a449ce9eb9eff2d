"""Faults: in each, what arrived is counted against what was recorded."""

from __future__ import annotations

import mmap
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from openfeature_triton.hooks.forwarding import ForwardingSink
from openfeature_triton.hooks.influx_writer import Verdict
from tests.scripted_server import Received, Reply, ScriptedServer, scripted_server
from tests.spooling import CONTROL, QUICK, adopt, arrived, open_recorder, script, until


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Stands for InfluxDB."""
    with scripted_server() as running:
        yield running


@pytest.mark.slow
def test_a_refusing_server_that_returns_gets_all(tmp_path: Path) -> None:
    """Nobody listens while 100 requests a second come; the first point comes soon after it does."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    recorder = open_recorder(f"http://127.0.0.1:{port}", tmp_path)
    for _ in range(1500):
        recorder.record(CONTROL, 10.0)
        time.sleep(0.01)
    assert recorder.stats().delivery.state == Verdict.UNREACHABLE.value
    with scripted_server(port) as server:
        until(lambda: server.received, 15)  # bench_faults.py says how long it takes
        until(lambda: arrived(server) == 1500)
        assert recorder.close()
        assert recorder.stats().delivered == 1500


def _never(reply: Reply, _: Received) -> None:
    reply.server.ending.wait()


def _drip(reply: Reply, _: Received) -> None:
    reply.wfile.write(b"HTTP/1.1 204 No Content\r\nX: ")
    while not reply.server.ending.wait(0.02):
        reply.wfile.write(b"x")


def _store_and_cut(reply: Reply, received: Received) -> None:
    reply.keep(received.lines)
    reply.cut()


@pytest.mark.parametrize(
    "script",
    [
        _never,
        _drip,
        _store_and_cut,
        lambda reply, _: reply.answer(503),
        lambda reply, _: reply.answer(429, Retry_After="1"),
        lambda reply, _: reply.answer(404, '{"code": "not found", "message": "no bucket"}'),
    ],
    ids=["never", "drips", "stores-and-cuts", "503", "429", "404"],
)
def test_trouble_that_ends_costs_no_outcome(
    server: ScriptedServer, tmp_path: Path, script: Callable[[Reply, Received], None]
) -> None:
    """Each outcome is counted once, whether the server had stored it before or not."""
    server.script = script
    recorder = open_recorder(server.url, tmp_path)
    for _ in range(60):
        recorder.record(CONTROL, 10.0)
        time.sleep(0.005)
    until(lambda: recorder.stats().delivery.failed_requests)
    server.script = Reply.store
    assert recorder.close(20)
    assert arrived(server) == 60
    stats = recorder.stats()
    assert (stats.recorded, stats.delivered, stats.dropped) == (60, 60, {})


def test_a_refused_token_is_replaced_without_restart(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """All that was recorded meanwhile arrives with the new one."""

    def guarded(reply: Reply, received: Received) -> None:
        if received.token == "Token good":
            reply.store(received)
        else:
            reply.answer(401, '{"code": "unauthorized", "message": "unauthorized access"}')

    server.script = guarded
    path = tmp_path / "token"
    path.write_text("bad")
    influx = InfluxSettings(url=server.url, token_file=path)
    recorder = Recorder.open(RecorderSettings(**QUICK, spool=tmp_path / "spool"), influx)
    recorder.record(CONTROL, 10.0)
    until(lambda: recorder.stats().delivery.state == Verdict.NOT_ALLOWED.value)
    path.write_text("good")
    until(lambda: arrived(server) == 1)
    assert recorder.close()


def test_writers_on_the_same_tags_with_a_frozen_clock_never_meet(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """16 of them, all at one time: each window has its writer's own time."""
    frozen_ns = time.time_ns()
    influx = InfluxSettings(url=server.url)
    settings = RecorderSettings(**{**QUICK, "raw_points": True}, spool=tmp_path)
    recorders = [
        Recorder(ForwardingSink(settings, influx), settings, clock_ns=lambda: frozen_ns)
        for _ in range(16)
    ]
    for recorder in recorders:
        for _ in range(10):
            recorder.record(CONTROL, 10.0)
    assert all(recorder.close(20) for recorder in recorders)
    assert arrived(server) == 160
    raw = [key for key in server.points if key[0].startswith("inference,")]
    assert len(raw) == 160


def test_a_wall_clock_that_jumps_loses_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    """An hour back, and forth again."""
    now = [time.time_ns()]
    settings = RecorderSettings(**QUICK, spool=tmp_path)
    sink = ForwardingSink(settings, InfluxSettings(url=server.url))
    recorder = Recorder(sink, settings, clock_ns=lambda: now[0])
    for step_s in (0, -3600, 3600, -7200, 7200, 1):
        now[0] += step_s * 10**9
        for _ in range(10):
            recorder.record(CONTROL, 10.0)
        assert recorder.flush(20)
    assert recorder.close()
    assert arrived(server) == 60


def test_foreign_tag_values_cost_no_outcome(server: ScriptedServer, tmp_path: Path) -> None:
    """100,000 languages, line breaks, commas, quotes, backslashes, lone surrogates, a megabyte."""
    recorder = open_recorder(server.url, tmp_path, flush_s=0.5, spool_s=0.5)
    odd = ["a\nb", "a,b", 'a"b', "a\\", "a b=c", "\ud800", "x" * 1_000_000, "\0", "é" * 64]
    for value in odd:
        recorder.record(Series(value, value, value, value, value, value), 10.0)
    for number in range(100_000):
        recorder.record(CONTROL._replace(language=f"a{number:05d}"), 10.0)
    assert recorder.close(60)
    assert arrived(server) == 100_000 + len(odd)
    stats = recorder.stats()
    assert stats.delivered == 100_000 + len(odd)
    assert len(server.points) < 10_000
    assert not stats.delivery.dead_letters


@pytest.mark.parametrize("is_up", [True, False])
def test_sigterm_loses_nothing(server: ScriptedServer, tmp_path: Path, is_up: bool) -> None:
    """InfluxDB has it, or the spool keeps it for the next process."""
    if not is_up:
        server.script = lambda reply, _: reply.answer(503)
    body = """
        for _ in range(100):
            recorder.record(CONTROL, 10.0)
        print("recorded", flush=True)
        time.sleep(60)
    """
    with script(tmp_path, server.url, body, close_s=20 if is_up else 2) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == -signal.SIGTERM
    if is_up:
        assert arrived(server) == 100
    else:
        server.script = Reply.store
        adopt(server, tmp_path, 100)


def test_preloaded_workers_deliver_as_writers_of_their_own(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """A parent that has recorded forks four, and they fork again; each ends normally."""
    body = """
        for _ in range(10):
            recorder.record(CONTROL, 10.0)
        time.sleep(0.1)
        for _ in range(4):
            if os.fork() == 0:
                for _ in range(20):
                    recorder.record(CONTROL, 10.0)
                if os.fork() == 0:
                    for _ in range(5):
                        recorder.record(CONTROL, 10.0)
                    sys.exit()
                os.wait()
                sys.exit()
        for _ in range(4):
            os.wait()
    """
    with script(tmp_path, server.url, body) as program:
        assert program.wait(60) == 0
    assert arrived(server) == 10 + 4 * 25
    assert list(tmp_path.glob("*.spool")) == []


def test_a_full_disk_costs_no_outcome(server: ScriptedServer, tmp_path: Path) -> None:
    """While the disk takes no more, memory does; all that was recorded arrives."""
    body = """
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        recorder.record(CONTROL, 10.0)
        time.sleep(0.2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        for number in range(500):
            recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
        time.sleep(0.3)
        print(recorder.stats().delivery.disk_errors, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        recorder.record(CONTROL, 10.0)
        print(recorder.close(20), recorder.stats().delivered, flush=True)
    """
    with script(tmp_path, server.url, body) as program:
        said, _ = program.communicate(timeout=60)
    disk_errors, closed = said.splitlines()
    assert int(disk_errors) > 0
    assert closed == "True 502"
    assert arrived(server) == 502


@pytest.mark.slow
def test_sigkill_at_random_moments_loses_nothing_that_was_spooled(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """200 times: what was in the spool arrives, and never more than was recorded."""
    rounds = 200
    shared = memoryview(mmap.mmap(-1, 16 * rounds)).cast("q")  # written in one step, unlike struct
    folder = tmp_path / "spool"
    seeds = random.Random(5)  # noqa: S311
    for number in range(rounds):
        pid = os.fork()
        if pid == 0:
            _record_until_killed(server.url, folder, f"e{number}", shared, number)
        time.sleep(seeds.uniform(0.03, 0.12))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    counts = list(zip(shared[::2].tolist(), shared[1::2].tolist(), strict=True))
    recorder = open_recorder(server.url, folder)
    recorder.evaluated("e", "control", "SPLIT", "", 1.0)
    until(lambda: len(list(folder.glob("*.spool"))) <= 1, 60)
    recorder.close()
    assert any(spooled for _, spooled in counts)
    for number, (recorded, spooled) in enumerate(counts):
        with server.lock:
            told = sum(
                float(fields.get(schema.REQUESTS, 0))
                for (series, _), fields in server.points.items()
                if series.startswith(f"{schema.LIGHT},experiment=e{number},")
            )
        assert spooled <= told <= recorded


def _record_until_killed(
    url: str, folder: Path, experiment: str, shared: memoryview, number: int
) -> None:
    """In a forked child: record, and leave word of how many were recorded and are spooled."""
    recorder = open_recorder(url, folder, spool_s=0.01)
    series = CONTROL._replace(experiment=experiment)
    for recorded in range(1, 1_000_000):
        shared[2 * number] = recorded
        recorder.record(series, 10.0)
        shared[2 * number + 1] = recorder._worker.counts["delivered"]
        time.sleep(0.0002)
    os._exit(1)
