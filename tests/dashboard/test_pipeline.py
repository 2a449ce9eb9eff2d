from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from openfeature_triton.hooks import Recorder, RecorderSettings, Series, SqlSink
from openfeature_triton.hooks.forwarding import ForwardingSink
from openfeature_triton.hooks.health import write_health
from openfeature_triton.hooks.settings import InfluxSettings
from openfeature_triton.hooks.sink import Delivery
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.reading import Page


def _say(folder: Path, name: str, **said: Any) -> None:
    (folder / "spool").mkdir(exist_ok=True)
    path = folder / "spool" / f"{name}.health.json"
    path.write_text(json.dumps({"pid": name, "host": "h"} | said), encoding="utf-8")


class Losing(ForwardingSink):
    """A sink that lost something on the way."""

    def delivery(self) -> Delivery:
        """Say so."""
        return replace(super().delivery(), dropped={"spool_full": 5})


def test_each_process_is_shown_with_what_became_of_its_outcomes(world: World) -> None:
    """Delivered, spooled, dropped by reason, dead letters; who is silent needs a look."""
    world.record("e", [Outcome("old", 1.0)])
    now_s = NOW.timestamp()
    _say(
        world.folder,
        "1",
        at_s=now_s - 5,
        accepted=1200,
        dropped={"queue_full": 4},
        delivery={"delivered": 1000, "spooled": 197, "dropped": {"queue_full": 1}, "in_doubt": 2},
    )
    _say(world.folder, "2", at_s=now_s - timedelta(hours=1).total_seconds(), accepted=7)
    _say(world.folder, "3", at_s=now_s - 3600, ended=True, accepted=7)
    page = Page(world.client().get("/pipeline").text)
    assert page.row("h, process 1")[2:] == [
        *("1,200", "1,0002 points in doubt", "197", "4Queue full: 4", "0", "5 s ago")
    ]
    assert page.row("h, process 1")[1] == "! dropped some"
    assert page.row("h, process 2")[1] == "! silent"
    assert page.row("h, process 3")[1] == "✓ ended"
    assert "InfluxDB never answered an earlier request" in page.text
    assert "2 of 3 recording processes need a look" in page.text
    found = world.client().get("/api/pipeline").get_json()
    assert {
        f"{each['host']}, process {each['pid']}": each["is_fine"] for each in found["processes"]
    } == {
        "h, process 1": False,
        "h, process 2": False,
        "h, process 3": True,
    }


def test_a_process_says_in_words_what_is_wrong(world: World) -> None:
    """The worst of it, from what its sender says and what it lost."""
    world.record("e", [Outcome("old", 1.0)])
    at_s = NOW.timestamp()
    _say(world.folder, "1", at_s=at_s, delivery={"state": "delivering", "in_doubt": 1})
    _say(world.folder, "2", at_s=at_s, delivery={"state": "not_allowed", "dead_lettered": 1})
    _say(world.folder, "3", at_s=at_s, delivery={"state": "delivering", "is_on_disk": False})
    _say(world.folder, "4", at_s=at_s, ended=True, delivery={"state": "later", "dead_lettered": 1})
    _say(world.folder, "5", at_s=at_s, delivery={"state": "<b>"}, breakers={"asr-new": "open"})
    page = Page(world.client().get("/pipeline").text)
    assert [page.row(f"h, process {nth}")[1] for nth in range(1, 6)] == [
        "✓ delivering",
        "! waiting: InfluxDB refuses the token or the bucket",
        "! spools in memory: its disk fails",
        "! ended, InfluxDB refused some",
        "! <b>",
    ]


def test_services_that_are_left_alone_are_named(world: World) -> None:
    """With the processes that do so; one that ended, or says something odd, does not."""
    world.record("e", [Outcome("old", 1.0)])
    now_s = NOW.timestamp()
    _say(world.folder, "1", at_s=now_s, breakers={"asr-new": "open", "<b>": "open"})
    _say(world.folder, "2", at_s=now_s, breakers={"asr-new": "open"})
    _say(world.folder, "3", at_s=now_s, ended=True, breakers={"asr-old": "open"})
    _say(world.folder, "4", at_s=now_s, breakers=["asr-old"])
    page = Page(world.client().get("/pipeline").text)
    assert page.row("asr-new")[1:] == ["! open", "h, process 1; h, process 2"]
    assert page.row("<b>")[2] == "h, process 1"
    assert "asr-old" not in page.text
    assert "2 of 4 recording processes need a look" in page.text


def test_a_process_that_writes_to_a_database_is_seen_too(world: World) -> None:
    """Where it was given the dashboard's spool folder, on the page and in `/metrics`."""
    world.record("e", [Outcome("old", 1.0)])
    settings = RecorderSettings(spool=world.folder / "spool", on_sigterm=False)
    recorder = Recorder(SqlSink(world.url), settings)
    for _ in range(3):
        recorder.record(Series("e", "aaaa1111", "old", "old", "asr", "hi-IN"), 1.0)
    assert recorder.flush()
    page = Page(world.client().get("/pipeline").text)
    [row] = page.table("Process")[1:]
    assert row[1:4] == ["✓ delivering", "3", "3"]
    assert f'pid="{os.getpid()}"}} 3' in world.client().get("/metrics").text
    recorder.close()
    assert "No recording process" in world.client().get("/pipeline").text


def test_what_was_dropped_on_the_way_is_counted_once(world: World) -> None:
    """A recorder's counts hold its sender's already; before, these were shown twice."""
    world.record("e", [Outcome("old", 1.0)])
    settings = RecorderSettings(spool=world.folder / "spool", on_sigterm=False)
    recorder = Recorder(Losing(settings, InfluxSettings(url="http://127.0.0.1:1")), settings)
    write_health(world.folder / "spool" / "1.health.json", recorder.stats(), ended=True)
    recorder.close()
    assert "Spool full: 5" in Page(world.client().get("/pipeline").text).text


def test_prometheus_reads_of_each_process_what_the_page_shows(world: World) -> None:
    """Accepted, delivered, spooled, dropped by reason, dead letters, breakers; no series twice."""
    world.record("e", [Outcome("old", 1.0)])
    now_s = NOW.timestamp()
    delivery = {"delivered": 1000, "spooled": 197, "dropped": {"spool_full": 2}, "dead_lettered": 4}
    said: dict[str, Any] = {"at_s": now_s, "accepted": 1200, "delivery": delivery}
    dropped, breakers = {"queue_full": 3, "spool_full": 2}, {"asr-new": "open"}
    _say(world.folder, "1", **said, dropped=dropped, breakers=breakers)
    _say(world.folder, "before", pid="1", at_s=now_s - 60, accepted=7)
    _say(world.folder, "2", host='"\n', at_s=now_s, accepted=5)
    lines = world.client().get("/metrics").text.splitlines()
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))
    for expected in (
        'process_accepted_total{host="h",pid="1"} 1200',
        'process_accepted_total{host="\\"\\n",pid="2"} 5',
        'process_delivered_total{host="h",pid="1"} 1000',
        'process_spooled{host="h",pid="1"} 197',
        'process_dropped_total{host="h",pid="1",reason="queue_full"} 3',
        'process_dropped_total{host="h",pid="1",reason="spool_full"} 2',
        'process_dead_lettered_total{host="h",pid="1"} 4',
        f'process_last_heard_timestamp_seconds{{host="h",pid="1"}} {now_s:.15g}',
        'breaker_open{host="h",pid="1",service="asr-new"} 1',
    ):
        assert f"openfeature_triton_{expected}" in lines


def test_evaluations_are_shown_by_their_error_code(world: World) -> None:
    """Errors come first."""
    recorder = Recorder(SqlSink(world.url), RecorderSettings(on_sigterm=False))
    recorder.evaluated("a", "new", "SPLIT", "", 5.0)
    recorder.evaluated("b", "", "ERROR", "PARSE_ERROR", 7.0)
    assert recorder.close()
    [_, first, second] = Page(world.client().get("/pipeline").text).table("Flag")
    assert first == ["b", "PARSE_ERROR", "1", "7.0"]
    assert second == ["a", "new SPLIT", "1", "5.0"]


def test_files_that_hold_anything_leave_the_page_alone(world: World) -> None:
    """Torn, empty or odd health files, and dead letters that are no database."""
    world.record("e", [Outcome("old", 1.0)])
    _say(world.folder, "1", at_s="x")
    _say(world.folder, "2", at_s=1e300, accepted="many", dropped=[1], delivery=7)
    for nth, odd in enumerate((float("nan"), float("inf"), -float("inf"))):
        _say(world.folder, f"3{nth}", at_s=odd, accepted=odd, delivery={"in_doubt": odd})
    (world.folder / "spool" / "torn.health.json").write_text("{")
    (world.folder / "spool" / "dead-letters.db").write_text("no database " * 100)
    response = world.client().get("/pipeline")
    assert response.status_code == 200
    assert "can't be read" in response.text.replace("&#39;", "'")


def test_without_any_process_the_page_says_where_they_would_say(world: World) -> None:
    """An empty store and no spool folder have a page, and the flag file's problem is named."""
    world.record("e", [Outcome("old", 1.0)])
    world.flags.write_text("{", encoding="utf-8")
    page = Page(world.client().get("/pipeline").text)
    assert "No recording process can be seen from here" in page.text
    assert "can’t be read" in page.text
    assert not (world.folder / "spool").exists()
