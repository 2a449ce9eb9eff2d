"""`store dead-letters`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from openfeature_triton.hooks.commands import store
from tests.scripted_server import Reply, ScriptedServer, scripted_server

CONTROL = Series("e", "p", "control", "control", "asr", "hi")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command on a spool folder of its own."""

    def invoke(*arguments: str, **env: str) -> Result:
        return CliRunner().invoke(
            store, ["dead-letters", *arguments], env={"OFT_SPOOL": str(tmp_path), **env}
        )

    return invoke


def refuse_one(server: ScriptedServer, folder: Path) -> None:
    """Record 3 outcomes that the server refuses."""
    server.script = lambda reply, _: reply.refuse(422, "field type conflict")
    influx = InfluxSettings(url=server.url)
    recorder = Recorder.open(
        RecorderSettings(spool=folder, on_sigterm=False, raw_points=False), influx
    )
    for _ in range(3):
        recorder.record(CONTROL, 10.0)
    recorder.close()


def test_refused_points_are_listed_and_retried(run: Run, tmp_path: Path) -> None:
    """With InfluxDB's reason; once the cause is gone they arrive, and nothing is left."""
    with scripted_server() as server:
        refuse_one(server, tmp_path)
        listed = run("list", "--json")
        assert listed.exit_code == 1
        letters = json.loads(listed.output)
        assert {letter["reason"] for letter in letters} == {"field type conflict"}
        assert sum(letter["outcomes"] for letter in letters) == 3
        again = run("retry", OFT_INFLUX_URL=server.url)
        assert (again.exit_code, "refused again" in again.output) == (1, True)
        server.script = Reply.store
        retried = run("retry", "--json", OFT_INFLUX_URL=server.url)
        assert retried.exit_code == 0, retried.output
        assert json.loads(retried.output)["delivered"] == len(letters)
        assert server.total(schema.LIGHT, schema.REQUESTS) == 3
    assert run("list").output == "0 dead letters\n"


def test_what_cannot_be_sent_now_waits_in_the_spool(run: Run, tmp_path: Path) -> None:
    """Nobody has to remember it: the next process adopts it."""
    with scripted_server() as server:
        refuse_one(server, tmp_path)
    result = run("retry", "--json", OFT_INFLUX_URL="http://127.0.0.1:9")
    assert result.exit_code == 1
    done = json.loads(result.output)
    assert done["waiting"] == done["tried"] > 0
    assert len(list(tmp_path.glob("*.spool"))) == 1


def test_discarding_asks_first(run: Run, tmp_path: Path) -> None:
    """It is for ever."""
    with scripted_server() as server:
        refuse_one(server, tmp_path)
    assert run("discard").exit_code == 1
    assert run("list").exit_code == 1
    assert run("discard", "--yes").exit_code == 0
    assert run("list").exit_code == 0


@pytest.mark.parametrize("arguments", [["retry"], ["discard", "7", "--yes"]])
def test_what_cannot_work_is_said_in_one_line(run: Run, arguments: list[str]) -> None:
    """No InfluxDB, no such letter."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("error: ")
    assert result.output.count("\n") == 1
