"""Watching: what is paused and what is left alone, on a real store and a real flag file."""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from openfeature.track import TrackingEventDetails

from openfeature_triton.dashboard import watch as watch_module
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import Query
from openfeature_triton.dashboard.watch import Rules, Watch
from openfeature_triton.dashboard.watch_events import Event, Told, exit_code
from openfeature_triton.flagd_config import audit, life_cycle, read_document
from openfeature_triton.flagd_config.errors import Place
from openfeature_triton.hooks import Recorder, RecorderSettings, Series, SqlSink

FINE_WINDOWS = RecorderSettings(window_s=1, latency_window_s=1, on_sigterm=False)


@dataclass
class World:
    """A store and a flag file with one experiment, `e`; `now` stands still until it is moved."""

    folder: Path
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    rules: Rules = field(default_factory=Rules)
    users: int | None = None

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self.folder / 'store.db'}"

    @property
    def flags(self) -> Path:
        """The flag file."""
        return self.folder / "flags.json"

    @property
    def state(self) -> str:
        """The state of the flag."""
        return str(json.loads(self.flags.read_text())["flags"]["e"]["state"])

    def write(self, treatment: str = "asr-b", **changes: Any) -> None:
        """Write the flag file, as somebody did an hour ago."""
        flag: dict[str, Any] = {
            "state": "ENABLED",
            "variants": {"control": {"service": "asr-a"}, "treatment": {"service": treatment}},
            "defaultVariant": None,
            "targeting": {"fractional": [["control", 50], ["treatment", 50]]},
            "metadata": {
                "experiment": True,
                "task_type": "asr",
                "control": "control",
                "guardrails": "error_rate:10%, latency_p95:20%",
            },
        }
        self.flags.write_text(json.dumps({"flags": {"e": {**flag, **changes}}}, indent=2))
        self.age(3600)

    def age(self, seconds: float) -> None:
        """Let the flag file have been changed some time ago."""
        time_s = self.now.timestamp() - seconds
        os.utime(self.flags, (time_s, time_s))

    def record(self, seconds_ago: float = 60, **failed: tuple[int, int]) -> None:
        """Record requests of each variant, so many of how many failed, under the present phase."""
        found = read_document(self.flags).experiments["e"]
        time_ns = int((self.now - timedelta(seconds=seconds_ago)).timestamp()) * 10**9
        recorder = Recorder(SqlSink(self.url), FINE_WINDOWS, clock_ns=lambda: time_ns)
        said = {"experiment": "e", "phase": found.phase, "definition": found.definition}
        said["weights"] = json.dumps(dict(found.weights))
        recorder.track("experiment_phase", None, TrackingEventDetails(attributes={**said}))
        for variant, (errors, requests) in failed.items():
            series = Series("e", found.phase, variant, variant, "asr", "hi")
            for number in range(requests):
                recorder.expose(series)
                failure = "server_error" if number < errors else ""
                recorder.record(series, 10.0, failure, {}, targeting_key=self.user(number))
        assert recorder.close()

    def user(self, number: int) -> str | None:
        """Whose request it is, where the unit is the user: one user sends them all, or each one."""
        if self.users is None:
            return None
        return f"user-{number % self.users}"

    def watch(self) -> Watch:
        """Somebody who watches."""
        return Watch(SqlStore(self.url), self.flags, self.rules, lambda: self.now)

    def look(self) -> tuple[Event, ...]:
        """One look of somebody who knows nothing of earlier ones."""
        return self.watch().look()

    def kinds(self) -> list[str]:
        """What kinds of events one look gives."""
        return [each.kind for each in self.look()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A running experiment without any data."""
    made = World(tmp_path)
    made.write()
    SqlSink(made.url).close()
    return made


def test_a_harmed_guardrail_pauses_the_experiment(world: World) -> None:
    """In the file, with an entry in its log that says why, in numbers; and only once."""
    world.record(control=(2, 400), treatment=(80, 400))
    (event,) = world.look()
    assert event.kind == "paused"
    assert world.state == "DISABLED"
    (entry,) = audit.read(world.flags)
    assert (entry.command, entry.experiment) == ("pause", "e")
    for text in (event.text, entry.reason):
        assert "error_rate of treatment is 40.00 × control's" in text
        assert "margin of 10%" in text
        assert "400 of treatment, 400 of control" in text
    assert event.as_dict()["numbers"]["ratio"] == 40.0
    assert world.look() == ()
    assert len(audit.read(world.flags)) == 1


def test_an_experiment_that_does_no_harm_is_left_alone(world: World) -> None:
    """Not even its file's time changes."""
    world.record(control=(10, 1000), treatment=(11, 1000))
    before = world.flags.stat().st_mtime_ns
    assert world.look() == ()
    assert world.flags.stat().st_mtime_ns == before
    assert not audit.log_of(world.flags).exists()


def test_a_control_without_errors_is_no_way_out(world: World) -> None:
    """Nothing divided by nothing: the treatment's errors are harm all the same."""
    world.record(control=(0, 400), treatment=(200, 400))
    (event,) = world.look()
    assert event.kind == "paused"
    assert "which has none" in event.text


def test_a_dry_run_writes_nothing_and_says_it_once(world: World) -> None:
    """What it would do lasts, so it is told once."""
    world.rules = Rules(dry_run=True)
    world.record(control=(2, 400), treatment=(80, 400))
    before, told = world.flags.read_bytes(), Told()
    assert [each.kind for each in told.fresh(world.look())] == ["would_pause"]
    assert told.fresh(world.look()) == ()
    assert world.flags.read_bytes() == before
    assert not audit.log_of(world.flags).exists()


def test_few_requests_are_no_sample(world: World) -> None:
    """Both arms must have had enough."""
    world.rules = Rules(min_requests=500)
    world.record(control=(2, 501), treatment=(80, 499))
    assert world.look() == ()
    world.rules = Rules(min_requests=499)
    assert world.kinds() == ["paused"]


def test_stale_data_are_told_of_and_not_acted_on(world: World) -> None:
    """However harmful they are."""
    world.record(seconds_ago=1000, control=(2, 400), treatment=(80, 400))
    (event,) = world.look()
    assert event.kind == "stale"
    assert "nothing is acted on" in event.text
    assert world.state == "ENABLED"


def test_an_experiment_that_was_just_started_is_not_stale(world: World) -> None:
    """It has some time to get its first request."""
    world.age(60)
    assert world.look() == ()
    world.age(3600)
    assert world.kinds() == ["stale"]


def test_changes_of_other_flags_do_not_hide_staleness(world: World) -> None:
    """The file is changed again and again; this experiment has been the same all the time."""
    watch = world.watch()
    for _ in range(3):
        world.age(0)
        assert watch.look() == ()
        world.now += timedelta(seconds=400)
    world.age(0)
    assert [each.kind for each in watch.look()] == ["stale"]


def test_an_experiment_outside_of_its_dates_is_not_looked_at(world: World) -> None:
    """It takes no requests, so none are missing."""
    tomorrow = int(world.now.timestamp()) + 86_400
    split = {"fractional": [["control", 50], ["treatment", 50]]}
    world.write(targeting={"if": [{">=": [{"var": "$flagd.timestamp"}, tomorrow]}, split]})
    assert world.look() == ()


def test_whoever_resumes_is_not_overruled_by_old_data(world: World) -> None:
    """Only what was recorded since the pause counts; new harm pauses it again."""
    world.record(control=(2, 400), treatment=(80, 400))
    assert world.kinds() == ["paused"]
    life_cycle.step(world.flags, "e", "resume", "mended")
    world.age(3600)
    assert world.kinds() == ["stale"]
    world.now += timedelta(seconds=100)
    world.record(control=(2, 400), treatment=(2, 400))
    assert world.look() == ()
    assert world.state == "ENABLED"
    world.record(control=(2, 400), treatment=(120, 400))
    assert world.kinds() == ["paused"]
    assert [each.command for each in audit.read(world.flags)] == ["pause", "resume", "pause"]


def test_harm_of_another_service_is_not_the_variants(world: World) -> None:
    """The treatment is another service since: what the old one did is not held against it."""
    world.record(control=(2, 400), treatment=(80, 400))
    world.write(treatment="asr-c")
    world.record(control=(2, 400), treatment=(2, 400))
    assert world.look() == ()


def test_harm_adds_up_over_the_phases_of_a_ramp(world: World) -> None:
    """The services are the same, only the split has changed: neither phase alone would do."""
    world.rules = Rules(min_requests=300)
    world.record(seconds_ago=90, control=(4, 200), treatment=(14, 200))
    assert world.look() == ()
    life_cycle.ramp(world.flags, "e", {"treatment": 25}, "carefully")
    world.record(control=(12, 600), treatment=(14, 200))
    assert world.kinds() == ["paused"]


@pytest.mark.parametrize(("users", "kinds"), [(1, []), (1000, ["paused"])])
def test_users_count_where_users_are_randomised(world: World, users: int, kinds: list[str]) -> None:
    """The errors of one heavy user prove nothing; those of many do."""
    document = json.loads(world.flags.read_text())
    metadata = document["flags"]["e"]["metadata"]
    world.write(metadata={**metadata, "unit": "user"})
    world.users = users
    world.record(control=(20, 1000), treatment=(200, 1000))
    assert world.kinds() == kinds


def test_a_broken_split_is_told_and_not_acted_on(world: World) -> None:
    """Errors of both variants are as frequent; only their counts are wrong."""
    world.record(control=(50, 500), treatment=(150, 1500))
    (event,) = world.look()
    assert event.kind == "broken"
    assert json.loads(json.dumps(event.as_dict()))["numbers"]["counts"] == {
        "control": 500,
        "treatment": 1500,
    }
    assert world.state == "ENABLED"


def test_harm_under_a_broken_split_pauses_too(world: World) -> None:
    """The rates alone say so, whatever is wrong with the counts."""
    world.record(control=(5, 500), treatment=(700, 1500))
    assert world.kinds() == ["broken", "paused"]


def test_a_store_that_is_away_is_survived(world: World) -> None:
    """It is told once, and the first look after it acts."""
    world.record(control=(2, 400), treatment=(80, 400))
    watch, told = world.watch(), Told()
    away = world.folder / "away.db"
    (world.folder / "store.db").rename(away)
    events = watch.look()
    assert [each.kind for each in told.fresh(events)] == ["store_away"]
    assert exit_code(events) == 2
    assert told.fresh(watch.look()) == ()
    away.rename(world.folder / "store.db")
    assert [each.kind for each in told.fresh(watch.look())] == ["paused"]


def test_what_lasts_is_not_told_again_after_a_gap(world: World) -> None:
    """The split was broken before the store went away, and still is after it."""
    world.record(control=(50, 500), treatment=(150, 1500))
    watch, told, away = world.watch(), Told(), world.folder / "away.db"
    assert [each.kind for each in told.fresh(watch.look())] == ["broken"]
    (world.folder / "store.db").rename(away)
    assert [each.kind for each in told.fresh(watch.look())] == ["store_away"]
    away.rename(world.folder / "store.db")
    assert told.fresh(watch.look()) == ()
    (world.folder / "store.db").rename(away)
    assert [each.kind for each in told.fresh(watch.look())] == ["store_away"]


def test_a_file_that_cannot_be_read_is_told_and_survived(world: World) -> None:
    """Cut off, then whole again."""
    watch, whole = world.watch(), world.flags.read_text()
    world.record(control=(2, 400), treatment=(80, 400))
    world.flags.write_text(whole[:-20])
    (event,) = watch.look()
    assert event.kind == "flags_unreadable"
    world.flags.write_text(whole)
    assert [each.kind for each in watch.look()] == ["paused"]


def test_a_bad_flag_does_not_blind(world: World) -> None:
    """The others are watched."""
    world.record(control=(2, 400), treatment=(80, 400))
    document = json.loads(world.flags.read_text())
    document["flags"]["bad"] = {"state": 7}
    world.flags.write_text(json.dumps(document))
    assert world.kinds() == ["paused"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        life_cycle.LifeCycleError(Place("flags.json"), "No space left", "make some"),
    ],
)
def test_what_cannot_be_written_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A full disk, or an edit that is refused: the next look tries again."""

    def full(*_: object, **__: object) -> None:
        raise error

    world.record(control=(2, 400), treatment=(80, 400))
    with monkeypatch.context() as patched:
        patched.setattr(watch_module, "step", full)
        (event,) = world.look()
        assert event.kind == "pause_failed"
        assert "No space left" in event.text
    assert world.kinds() == ["paused"]


def test_two_watchers_pause_once(world: World) -> None:
    """Whoever comes second finds it done, and says nothing."""
    world.record(control=(2, 400), treatment=(80, 400))
    found: list[str] = []
    together = threading.Barrier(4)

    def look() -> None:
        watch = world.watch()
        together.wait()
        found.extend(each.kind for each in watch.look())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == ["paused"]
    assert len(audit.read(world.flags)) == 1


def test_one_that_cannot_be_judged_does_not_hide_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with its numbers."""
    world.record(control=(2, 400), treatment=(80, 400))
    document = json.loads(world.flags.read_text())
    document["flags"] = {"a": document["flags"]["e"], **document["flags"]}
    world.flags.write_text(json.dumps(document))
    world.age(3600)
    read = SqlStore.read

    def fails(self: SqlStore, *queries: Query) -> Any:
        return 1 / 0 if any(each.experiment == "a" for each in queries) else read(self, *queries)

    monkeypatch.setattr(SqlStore, "read", fails)
    events = world.look()
    assert [(each.kind, each.experiment) for each in events] == [
        ("not_judged", "a"),
        ("paused", "e"),
    ]
