"""Doubt: a request that got no answer may be stored late, over what came after it."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openfeature_triton.hooks.spool import Spool
from tests.scripted_server import Received, Reply, ScriptedServer, scripted_server
from tests.spooling import CONTROL, arrived, open_recorder, until


class Holding:
    """A script: the first windows are stored without an answer, and only when told to."""

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.release = threading.Event()
        self.stored = threading.Event()

    def __call__(self, reply: Reply, received: Received) -> None:
        """Store, the first ones late."""
        if self.holds.is_set():
            reply.store(received)
            return
        self.holds.set()
        self.release.wait(30)
        reply.keep(received.lines)
        self.stored.set()
        reply.cut()

    def let_go(self) -> None:
        """Let the server store what it has held back."""
        self.release.set()
        assert self.stored.wait(10)


@pytest.fixture
def holding() -> Holding:
    """Holds the first request back."""
    return Holding()


@pytest.fixture
def server(holding: Holding) -> Iterator[ScriptedServer]:
    """Stands for InfluxDB."""
    with scripted_server() as running:
        running.script = holding
        yield running
        holding.release.set()


def spools(folder: Path) -> list[Path]:
    """The spool files that are left."""
    return list(folder.glob("*.spool"))


def test_an_abandoned_request_that_is_stored_late_undoes_nothing(
    server: ScriptedServer, holding: Holding, tmp_path: Path
) -> None:
    """The newest value is sent once more, when the server may be done with the old one."""
    recorder = open_recorder(server.url, tmp_path, doubt_s=0.5)
    recorder.record(CONTROL, 10.0)
    until(lambda: recorder.stats().delivery.failed_requests)
    recorder.record(CONTROL, 10.0)
    until(lambda: arrived(server) == 2)
    until(lambda: recorder.stats().delivered == 2)
    holding.let_go()
    assert arrived(server) == 1
    until(lambda: arrived(server) == 2)
    until(lambda: not recorder.stats().delivery.in_doubt)
    assert recorder.close()
    assert spools(tmp_path) == []
    assert recorder.stats().delivered == 2


def test_a_killed_sender_s_request_that_is_stored_late_undoes_nothing(
    server: ScriptedServer, holding: Holding, tmp_path: Path
) -> None:
    """Whoever adopts its spool sends it once more."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        recorder = open_recorder(server.url, tmp_path, deadline_s=60)
        recorder.record(CONTROL, 10.0)
        os.read(told, 1)
        for _ in range(4):
            recorder.record(CONTROL, 10.0)
        time.sleep(60)
    until(holding.holds.is_set)
    os.write(tell, b"x")
    (path,) = spools(tmp_path)
    until(lambda: Spool(path, 2**20).backlog().outcomes == 5)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    adopter = open_recorder(server.url, tmp_path, doubt_s=0.5)
    adopter.evaluated("e", "control", "SPLIT", "", 1.0)
    until(lambda: arrived(server) == 5)
    holding.let_go()
    assert arrived(server) == 1
    until(lambda: arrived(server) == 5)
    until(lambda: path not in spools(tmp_path))
    assert adopter.close()
    assert spools(tmp_path) == []
    assert adopter.stats().delivery.adopted == 5


def test_what_close_can_not_wait_for_is_left_to_the_next_process(
    server: ScriptedServer, holding: Holding, tmp_path: Path
) -> None:
    """All is delivered, so close says so at once; what is in doubt stays in the spool."""
    first = open_recorder(server.url, tmp_path, doubt_s=60)
    first.record(CONTROL, 10.0)
    until(lambda: first.stats().delivery.failed_requests)
    first.record(CONTROL, 10.0)
    until(lambda: arrived(server) == 2)
    assert first.close(5)
    assert len(spools(tmp_path)) == 1
    assert first.stats().delivery.in_doubt
    holding.let_go()
    assert arrived(server) == 1
    _end_doubt(*spools(tmp_path))
    second = open_recorder(server.url, tmp_path, doubt_s=0.5)
    second.evaluated("e", "control", "SPLIT", "", 1.0)
    until(lambda: arrived(server) == 2)
    until(lambda: len(spools(tmp_path)) == 1)
    assert second.close()
    assert spools(tmp_path) == []
    assert second.stats().delivery.adopted == 0


def _end_doubt(path: Path) -> None:
    """Let a minute pass for a spool."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE points SET doubt_s = doubt_s - 60")
