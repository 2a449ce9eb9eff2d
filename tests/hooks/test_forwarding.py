"""Recording through spool and sender: what arrived, counted against what was recorded."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, schema, spool
from openfeature_triton.hooks.dead_letters import DeadLetters
from openfeature_triton.hooks.patience import DELIVERING
from tests.scripted_server import Received, Reply, ScriptedServer, scripted_server
from tests.spooling import CONTROL, arrived, until


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Stands for InfluxDB."""
    with scripted_server() as running:
        yield running


@pytest.fixture
def record(server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Make recorders that send to the server, and close them in the end."""
    made = []

    def make(**settings: Any) -> Recorder:
        url = settings.pop("url", server.url)
        given = {
            "flush_s": 0.05,
            "spool_s": 0.02,
            "on_sigterm": False,
            "spool": tmp_path / "spool",
            "raw_points": False,
        } | settings
        influx = InfluxSettings(url=url, token=SecretStr("t"), deadline_s=1)
        made.append(Recorder.open(RecorderSettings.model_validate(given), influx))
        return made[-1]

    yield make
    for recorder in made:
        recorder.close(1)


def test_outcomes_arrive_once(server: ScriptedServer, record: Callable[..., Recorder]) -> None:
    """However often a window is written again."""
    recorder = record()
    for _ in range(5):
        for _ in range(20):
            recorder.record(CONTROL, 10.0)
        time.sleep(0.06)
    assert recorder.close()
    assert arrived(server) == 100
    assert server.total(schema.LATENCY, "h465") == 100
    stats = recorder.stats()
    assert stats.accepted == stats.recorded == stats.delivered == 100
    assert stats.dropped == {}


def test_a_clean_end_leaves_no_spool(
    record: Callable[..., Recorder], tmp_path: Path, server: ScriptedServer
) -> None:
    """What is delivered leaves no file behind."""
    recorder = record()
    recorder.record(CONTROL, 10.0)
    assert recorder.close()
    assert arrived(server) == 1
    assert not list((tmp_path / "spool").glob("*.spool"))


def test_an_outage_loses_nothing(server: ScriptedServer, record: Callable[..., Recorder]) -> None:
    """Trouble is said when it begins and ends; all that was recorded arrives."""
    server.script = lambda reply, _: reply.answer(503)
    recorder = record()
    for _ in range(50):
        recorder.record(CONTROL, 10.0)
    until(lambda: recorder.stats().delivery.failed_requests)
    assert recorder.stats().delivered == 0
    server.script = Reply.store
    assert recorder.flush(10)
    assert arrived(server) == 50
    assert recorder.stats().delivery.state == DELIVERING


def test_what_a_closed_recorder_could_not_deliver_is_adopted(
    server: ScriptedServer, record: Callable[..., Recorder]
) -> None:
    """The next process of the folder delivers it, as if the first one had."""
    server.script = lambda reply, _: reply.answer(503)
    first = record()
    for _ in range(7):
        first.record(CONTROL, 10.0)
    assert not first.close(0.3)
    server.script = Reply.store
    second = record()
    second.record(CONTROL, 10.0)
    until(lambda: arrived(server) == 8)
    assert len({time_ns for _, time_ns in server.points}) >= 2
    until(lambda: second.stats().delivery.adopted == 7)
    assert second.stats().delivered == 1


def test_refused_points_are_told_from_the_others(
    server: ScriptedServer, record: Callable[..., Recorder]
) -> None:
    """One bad point among 500 becomes a dead letter with its reason; the others arrive."""

    def partly(reply: Reply, received: Received) -> None:
        good = [line for line in received.lines if "l=bad" not in line.replace("language", "l")]
        reply.keep(good)
        if len(good) == len(received.lines):
            reply.answer(204)
        else:
            dropped = len(received.lines) - len(good)
            reply.refuse(422, f"partial write: field type conflict dropped={dropped}")

    server.script = partly
    recorder = record(flush_s=5, spool_s=5, metrics={})
    for number in range(250):
        recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
    recorder.record(CONTROL._replace(language="bad"), 10.0)
    recorder.flush(10)
    assert arrived(server) == 250
    delivery = recorder.stats().delivery
    assert (delivery.dead_lettered, recorder.stats().delivered) == (1, 250)


def test_a_refused_window_that_is_taken_later_is_no_dead_letter(
    server: ScriptedServer, record: Callable[..., Recorder], tmp_path: Path
) -> None:
    """Its newer value holds what was refused; a letter that is sent again would undo that."""
    server.script = lambda reply, _: reply.refuse(400, "no")
    recorder = record()
    for _ in range(5):
        recorder.record(CONTROL, 10.0, "timeout")
    until(lambda: recorder.stats().delivery.dead_lettered == 5)
    time.sleep(0.3)  # until the spool has heard of it: else the whole window goes again
    server.script = Reply.store
    for _ in range(3):
        recorder.record(CONTROL, 10.0)
    assert recorder.close(10)
    stats = recorder.stats()
    assert arrived(server) == stats.delivered == 8
    assert stats.delivery.dead_lettered == 0
    (letter,) = DeadLetters(tmp_path / "spool").all()
    assert set(json.loads(letter.fields)) == {schema.ERRORS, schema.error_field("timeout")}
    assert letter.outcomes == 0


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_refused_is_halved(
    server: ScriptedServer, record: Callable[..., Recorder], status: int
) -> None:
    """400 and 413 store nothing of a batch; halves of it are tried until the bad one is found."""

    def strict(reply: Reply, received: Received) -> None:
        is_bad = any("language=bad" in line for line in received.lines)
        too_big = status == 413 and len(received.lines) > 50
        if is_bad or too_big:
            reply.refuse(status, "no")
        else:
            reply.store(received)

    server.script = strict
    recorder = record(flush_s=5, spool_s=5)
    for number in range(100):
        recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
    recorder.record(CONTROL._replace(language="bad"), 10.0)
    recorder.flush(10)
    assert arrived(server) == 100
    assert recorder.stats().delivery.dead_lettered == 1
    assert recorder.stats().delivered == 100


def test_what_no_request_can_hold_goes_in_several(
    server: ScriptedServer, record: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small a request has to be, closing delivers all that waits."""
    monkeypatch.setattr(spool, "_MAX_BATCH_BYTES", 1)
    recorder = record(flush_s=5, spool_s=5)
    for number in range(20):
        recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
    assert recorder.close(20)
    assert arrived(server) == 20


def test_trouble_is_said_once_when_it_begins_and_once_when_it_ends(
    server: ScriptedServer, record: Callable[..., Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    """However many tries there are in between; no token among the words."""
    caplog.set_level(logging.INFO, "openfeature_triton.hooks.patience")
    server.script = lambda reply, _: reply.answer(503)
    recorder = record()
    recorder.record(CONTROL, 10.0)
    until(lambda: recorder.stats().delivery.failed_requests >= 3)
    server.script = Reply.store
    assert recorder.close(20)
    assert [entry.levelname for entry in caplog.records] == ["WARNING", "INFO"]
    assert "Token" not in caplog.text


@pytest.mark.slow
def test_a_lone_point_ends_a_long_wait(
    server: ScriptedServer, record: Callable[..., Recorder]
) -> None:
    """After long trouble one point is tried first; where it is taken, all follow at once."""
    server.script = lambda reply, _: reply.answer(503)
    recorder = record()
    for number in range(50):
        recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
    until(lambda: [len(each.lines) > 1 for each in server.received].count(True) == 5)
    tried = len(server.received)
    server.script = Reply.store
    until(lambda: arrived(server) == 50)
    assert len(server.received[tried].lines) == 1
    assert recorder.close(5)
