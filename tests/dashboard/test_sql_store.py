from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from openfeature_triton.dashboard import Evaluations, SqlStore
from openfeature_triton.dashboard.store import (
    COUNTS,
    LATENCIES,
    PHASES,
    SEEN,
    read_evaluations,
    read_traffic,
)
from openfeature_triton.hooks import (
    ForeignStoreError,
    MissingStoreError,
    NotADatabaseError,
    Point,
    Recorder,
    RecorderSettings,
    SqlSink,
    StoreError,
    StoreUrlError,
)
from openfeature_triton.hooks.histogram import bin_of
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.stores import one


def test_totals_add_up_over_writers_and_stay_apart_by_day(world: World) -> None:
    """Two processes in one window are summed by the database; another day is another group."""
    world.record("e", [Outcome("new", 10.0), Outcome("new", 30.0, "timeout")])
    world.record("e", [Outcome("new", 20.0)])
    world.record("e", [Outcome("new", 5.0)], days_ago=1)
    before, today = one(SqlStore(world.url), COUNTS, "e")
    assert (before.day, today.day) == (NOW.date() - timedelta(days=1), NOW.date())
    assert today.fields["requests"] == 3
    assert today.fields["error_timeout"] == 1
    assert today.fields["latency_ms_sum"] == pytest.approx(60.0, rel=1e-12)
    _, latencies = one(SqlStore(world.url), LATENCIES, "e")
    assert latencies.latencies.fields()[f"h{int(bin_of(30.0))}"] == 1
    assert before.fields["requests"] == 1


def test_totals_keep_apart_what_a_page_shows_apart(world: World) -> None:
    """Variant, service that answered, language and phase each make a group of their own."""
    world.record("e", [Outcome("new", 1.0), Outcome("new", 1.0, served="old")])
    world.record("e", [Outcome("new", 1.0, language="ta")], phase="bbbb2222")
    groups = {
        (t.phase, t.variant, t.served, t.language) for t in one(SqlStore(world.url), COUNTS, "e")
    }
    assert groups == {
        ("aaaa1111", "new", "new", "hi-IN"),
        ("aaaa1111", "new", "old", "hi-IN"),
        ("bbbb2222", "new", "new", "ta"),
    }


def test_totals_can_be_had_by_hour_and_of_a_range_of_time(world: World) -> None:
    """A slice begins with its hour; the range holds its start, and not its end."""
    world.record("e", [Outcome("new", 1.0)])
    world.record("e", [Outcome("new", 1.0)], days_ago=1)
    store, hour_ns = SqlStore(world.url), 3600 * 10**9
    before, today = one(store, COUNTS, "e", step="hour")
    began_ns = int((NOW - timedelta(hours=2)).timestamp()) * 10**9
    assert (before.start_ns, today.start_ns) == (began_ns - 24 * hour_ns, began_ns)
    assert one(store, COUNTS, "e", step="hour", start_ns=began_ns) == (today,)
    assert one(store, COUNTS, "e", step="hour", end_ns=began_ns) == (before,)
    assert one(store, COUNTS, "e", start_ns=began_ns + hour_ns) == ()


def test_evaluations_are_counted_by_their_result(world: World) -> None:
    """Reason and error code make a group of their own; several writers are summed."""
    for _ in range(2):
        recorder = Recorder(SqlSink(world.url), RecorderSettings(on_sigterm=False))
        recorder.evaluated("e", "new", "SPLIT", "", 5.0)
        recorder.evaluated("e", "", "ERROR", "PARSE_ERROR", 7.0)
        assert recorder.close()
    assert read_evaluations(SqlStore(world.url)) == (
        Evaluations("e", "", "ERROR", "PARSE_ERROR", 2, 2, 14.0),
        Evaluations("e", "new", "SPLIT", "", 2, 0, 10.0),
    )


def test_requests_of_no_experiment_are_no_experiment(world: World) -> None:
    """What a service recorded outside of any experiment is not listed as one."""
    world.record("", [Outcome("", 1.0)])
    world.record("e", [Outcome("new", 1.0)])
    assert [each.experiment for each in read_traffic(SqlStore(world.url))] == ["e"]


def test_reading_changes_nothing(world: World) -> None:
    """The file has the same bytes after each kind of read."""
    world.record("e", [Outcome("new", 1.0)], weights={"new": 1})
    file = world.folder / "store.db"
    before, store = file.read_bytes(), SqlStore(world.url)
    assert read_traffic(store)
    assert one(store, SEEN)
    assert one(store, COUNTS, "e")
    assert one(store, LATENCIES, "e")
    assert one(store, PHASES)
    store.close()
    assert file.read_bytes() == before


def test_a_missing_file_is_said_and_not_made(tmp_path: Path) -> None:
    """The error says what to do, and no empty database is left behind."""
    store = SqlStore(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(MissingStoreError, match="store init"):
        read_traffic(store)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_goes_away_is_not_made_anew(world: World) -> None:
    """A reader that once worked creates nothing either, and works again with the store."""
    world.record("e", [Outcome("new", 1.0)])
    store, file = SqlStore(world.url), world.folder / "store.db"
    assert read_traffic(store)
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(MissingStoreError):
        read_traffic(store)
    assert not file.exists()
    file.write_bytes(kept)
    assert read_traffic(store)


def test_what_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that is no database, an empty one, and somebody else's tables are told apart."""
    text, empty, foreign = tmp_path / "text", tmp_path / "empty", tmp_path / "foreign"
    text.write_text("this is no database " * 100)
    empty.touch()
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE phases (moon TEXT)")
    connection.close()
    wanted: dict[Path, type[StoreError]] = {
        text: NotADatabaseError,
        empty: MissingStoreError,
        foreign: ForeignStoreError,
    }
    for file, error in wanted.items():
        before = file.read_bytes()
        with pytest.raises(error, match=str(file)):
            SqlStore(f"sqlite:///{file}").check()
        assert file.read_bytes() == before


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    """The error of a wrong URL, and the repr of a good one, hide the password."""
    with pytest.raises(StoreUrlError) as caught:
        SqlStore("mysql://me:sentinel-secret@host/db")
    assert "sentinel-secret" not in str(caught.value)
    assert "sentinel-secret" not in repr(SqlStore("postgresql+psycopg://me:sentinel-secret@h/db"))


def test_series_may_come_while_a_store_is_read(world: World) -> None:
    """Whoever reads meanwhile sees them or not, and never half of them."""
    world.record("e", [Outcome("v", 1.0)])
    sink, store, is_done = SqlSink(world.url), SqlStore(world.url), threading.Event()

    def write() -> None:
        for nth in range(300):
            tags = (("experiment", "e"), ("phase", "p"), ("variant", f"v{nth}"))
            sink.write([Point("inference_light", tags, nth + 1, {"requests": 1.0})])
        is_done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not is_done.is_set():
        assert all(each.fields["requests"] == 1 for each in one(store, COUNTS, "e"))
        assert all(each.requests == 1 for each in read_traffic(store, "e"))
    writer.join()
    sink.close()
    assert len(one(store, COUNTS, "e")) == 301
