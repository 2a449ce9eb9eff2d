"""Faults of the disk that holds the spool: in each, what arrived is counted."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from openfeature_triton.hooks.spool import SPOOL_FULL
from tests.scripted_server import Reply, ScriptedServer, scripted_server
from tests.spooling import CONTROL, arrived, open_recorder, until


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Stands for InfluxDB."""
    with scripted_server() as running:
        yield running


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write into a folder: by its mode, or for root, who may, by a mount."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder], check=False).returncode:
        pytest.skip("NEEDS a read-only folder: root may not mount here — run as another user")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_spool_folder_costs_no_outcome(server: ScriptedServer, tmp_path: Path) -> None:
    """Memory stands in for the disk; what is there is delivered, and that it is so is told."""
    with read_only(tmp_path):
        server.script = lambda reply, _: reply.answer(503)
        recorder = open_recorder(server.url, tmp_path)
        for _ in range(100):
            recorder.record(CONTROL, 10.0)
        until(lambda: recorder.stats().delivery.failed_requests)
        assert not recorder.stats().delivery.is_on_disk
        server.script = Reply.store
        assert recorder.close(20)
        stats = recorder.stats()
    assert arrived(server) == stats.recorded == stats.delivered == 100
    assert stats.delivery.disk_errors > 0
    assert stats.dropped == {}
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_somebody_locks_costs_no_outcome(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """A disk so slow that no write comes to an end: memory stands in, and gives back later."""
    recorder = open_recorder(server.url, tmp_path)
    recorder.record(CONTROL, 10.0)
    until(lambda: arrived(server) == 1)
    (path,) = tmp_path.glob("*.spool")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(300):
            recorder.record(CONTROL, float(number))
            time.sleep(0.01)
        until(lambda: not recorder.stats().delivery.is_on_disk)
        until(lambda: arrived(server) == 301)
        other.execute("ROLLBACK")
    recorder.record(CONTROL, 10.0)
    until(lambda: recorder.stats().delivery.is_on_disk)
    assert recorder.close(20)
    stats = recorder.stats()
    assert arrived(server) == stats.recorded == stats.delivered == 302
    assert stats.dropped == {}


@pytest.mark.slow
def test_a_long_outage_takes_bounded_room(server: ScriptedServer, tmp_path: Path) -> None:
    """Many windows: file and memory keep their bounds, and what had to go is counted."""
    server.script = lambda reply, _: reply.answer(503)
    narrow = {"window_s": 0.1, "latency_window_s": 0.1, "spool_max_bytes": 2**16}
    recorder = open_recorder(server.url, tmp_path, **narrow)
    held, file_bytes = [], []
    for _ in range(60):
        for variant in range(20):
            recorder.record(CONTROL._replace(variant=f"v{variant}"), 10.0)
        time.sleep(0.1)
        held.append(recorder.stats().backlog_points)
        file_bytes.append(sum(path.stat().st_size for path in tmp_path.glob("*.spool")))
    assert max(held) <= 3 * 2 * 20
    assert max(file_bytes) <= 2**16 + 2**20
    server.script = Reply.store
    assert recorder.close(60)
    stats = recorder.stats()
    assert stats.dropped[SPOOL_FULL] > 0
    assert stats.recorded == 1200
    assert arrived(server) == stats.delivered == 1200 - stats.dropped[SPOOL_FULL]


def test_what_was_dropped_for_room_does_not_come_again(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """Windows that go on are written again; what they lost is in no later total of theirs."""
    all_series = [CONTROL._replace(variant=f"v{number}") for number in range(300)]
    server.script = lambda reply, _: reply.answer(503)
    recorder = open_recorder(server.url, tmp_path, spool_max_bytes=2**18)
    for _ in range(3):
        for series in all_series:
            recorder.record(series, 10.0)
        recorder.flush(0.2)
    assert recorder.stats().dropped[SPOOL_FULL] > 0
    server.script = Reply.store
    until(lambda: recorder.stats().delivery.spooled_points == 0)
    for series in all_series:
        recorder.record(series, 10.0)
    assert recorder.close(30)
    stats = recorder.stats()
    assert stats.recorded == 1200
    assert arrived(server) == stats.delivered == 1200 - stats.dropped[SPOOL_FULL]
