"""The SQL sink, on real SQLite files."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.hooks import (
    ForeignStoreError,
    NotADatabaseError,
    Point,
    Recorder,
    RecorderSettings,
    Series,
    SqlSink,
    StoreUnavailableError,
    StoreUrlError,
)
from openfeature_triton.hooks.store_summary import summarize

TAGS = tuple(Series("e", "p", "control", "control", "asr", "hi")._asdict().items())
EVALUATION_TAGS = (("experiment", "e"), ("variant", ""), ("reason", "ERROR"), ("error_code", "X"))
PHASE_TAGS = (("experiment", "e"), ("phase", "p"))


def light(time_ns: int, **fields: float) -> Point:
    """Make a point of `inference_light`."""
    return Point("inference_light", TAGS, time_ns, fields)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """Ask the file itself."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "store.db"


@pytest.fixture
def url(path: Path) -> str:
    """The store's URL."""
    return f"sqlite:///{path}"


def test_points_become_rows(path: Path, url: str) -> None:
    """A series is one row, each field of a window another; tags it has not are empty."""
    sink = SqlSink(url)
    sink.write([light(1, requests=2.0, errors=1.0), light(2, requests=5.0)])
    sink.write([Point("evaluation", EVALUATION_TAGS, 1, {"count": 3.0})])
    sink.close()
    assert rows(path, "SELECT * FROM series ORDER BY id") == [
        (1, "inference_light", "e", "p", "control", "control", "asr", "hi", "", ""),
        (2, "evaluation", "e", "", "", "", "", "", "ERROR", "X"),
    ]
    assert rows(path, "SELECT * FROM windows ORDER BY 1, 2, 3") == [
        (1, 1, "errors", 1.0),
        (1, 1, "requests", 2.0),
        (1, 2, "requests", 5.0),
        (2, 1, "count", 3.0),
    ]


def test_a_repeated_write_changes_nothing_and_a_newer_one_replaces(path: Path, url: str) -> None:
    """Running totals are rewritten, never added."""
    sink = SqlSink(url)
    for _ in range(2):
        sink.write([light(1, requests=2.0, errors=1.0)])
    sink.write([light(1, requests=3.0)])
    sink.close()
    assert rows(path, "SELECT field, value FROM windows ORDER BY 1") == [
        ("errors", 1.0),
        ("requests", 3.0),
    ]


def test_a_phase_keeps_the_time_it_was_first_seen(path: Path, url: str) -> None:
    """The phase is stored once, whoever sees it again."""
    sink = SqlSink(url)
    fields = {"weights": "{}", "metadata": "m", "definition": "d", "bucketing": "v3"}
    for time_ns in (5, 6):
        sink.write([Point("experiment_phase", PHASE_TAGS, time_ns, fields)])
    sink.close()
    assert rows(path, "SELECT * FROM phases") == [("e", "p", 5, "{}", "m", "d", "v3")]
    assert rows(path, "SELECT * FROM series") == []


def test_a_failed_write_stores_nothing(path: Path, url: str) -> None:
    """One transaction per write: all points or none."""
    sink = SqlSink(url)
    broken = Point("inference_light", TAGS, 2, {"requests": "many"})
    with pytest.raises(ValueError, match="many"):
        sink.write([light(1, requests=1.0), broken])
    assert rows(path, "SELECT * FROM series") == []
    sink.write([light(1, requests=1.0)])
    sink.close()
    assert rows(path, "SELECT value FROM windows") == [(1.0,)]


def test_a_store_that_is_replaced_gets_its_own_series(path: Path, url: str) -> None:
    """Remembered series ids are not used in another file under the same name."""
    sink = SqlSink(url)
    sink.write([Point("inference_light", (("experiment", "first"),), 1, {"requests": 1.0})])
    sink.write([light(1, requests=1.0)])
    path.unlink()
    other = SqlSink(url)
    other.write([Point("inference_light", (("experiment", "other"),), 1, {"requests": 7.0})])
    other.close()
    sink.write([light(2, requests=2.0)])
    sink.close()
    totals = "SELECT experiment, value FROM windows JOIN series ON id = series_id ORDER BY 2"
    assert rows(path, totals) == [("e", 2.0), ("other", 7.0)]


def test_a_store_that_is_deleted_is_made_again(path: Path, url: str) -> None:
    """The write that meets an empty file fails, and the next one has its tables."""
    sink = SqlSink(url)
    path.unlink()
    with pytest.raises(StoreUnavailableError):
        sink.write([light(1, requests=1.0)])
    sink.write([light(1, requests=1.0)])
    sink.close()
    assert rows(path, "SELECT value FROM windows") == [(1.0,)]


@pytest.mark.parametrize(
    "content", [b"these are not the rows" * 100, b"{}\n", b"SQLite format 3\0" + b"x" * 4080]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, url: str, content: bytes
) -> None:
    """The error names the file and says what to do; not a byte of it changes."""
    path.write_bytes(content)
    with pytest.raises(NotADatabaseError, match=r"store\.db.*name another file"):
        SqlSink(url)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_database_with_other_tables_of_our_names_is_refused(path: Path, url: str) -> None:
    """Somebody else's `series` isn't written into, and gets no company."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE series (title TEXT)")
    connection.close()
    with pytest.raises(ForeignStoreError, match="'series'"):
        SqlSink(url)
    assert rows(path, "SELECT name FROM sqlite_master") == [("series",)]


def test_a_database_may_have_tables_beside_ours(path: Path, url: str) -> None:
    """The registry and the store can share one database."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE services (service_id TEXT)")
    connection.close()
    SqlSink(url).close()
    assert ("services",) in rows(path, "SELECT name FROM sqlite_master")


@pytest.mark.parametrize(
    "url", ["", "store.db", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "mongodb://x/y"]
)
def test_a_url_that_can_name_no_store_is_refused(url: str) -> None:
    """The error says which URLs would do."""
    with pytest.raises(StoreUrlError, match=r"sqlite:///store\.db"):
        SqlSink(url)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A store is not made where there is no folder for it."""
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        SqlSink(f"sqlite:///{tmp_path}/missing/store.db")


def test_a_password_is_in_no_error() -> None:
    """What an error shows of a URL is masked."""
    with pytest.raises(StoreUrlError) as caught:
        SqlSink(SecretStr("mysql://me:sentinel@host/db"))
    assert "sentinel" not in str(caught.value) + repr(caught.value)


def test_changing_the_folder_does_not_change_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is that of the folder in which the store was opened."""
    monkeypatch.chdir(tmp_path)
    sink = SqlSink("sqlite:///store.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sink.write([light(1, requests=1.0)])
    sink.close()
    assert rows(tmp_path / "store.db", "SELECT value FROM windows") == [(1.0,)]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_writers_wait_for_each_other(url: str) -> None:
    """Eight sinks that open and write at once all succeed."""
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            sink = SqlSink(url)
            for count in range(1, 6):
                sink.write([light(number, requests=float(count))])
            sink.close()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert summarize(url).requests == 8 * 5


def test_a_child_process_writes_through_the_parents_sink(url: str) -> None:
    """After a fork the child opens a connection of its own; both go on."""
    sink = SqlSink(url)
    sink.write([light(1, requests=1.0)])
    child = os.fork()
    if child == 0:
        try:
            sink.write([light(2, requests=10.0)])
            sink.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    sink.write([light(3, requests=100.0)])
    sink.close()
    assert summarize(url).requests == 111


def test_a_recorder_opens_the_store_that_the_settings_name(url: str) -> None:
    """`Recorder.open` is all a service needs; the store is exact to the request."""
    settings = RecorderSettings(store=SecretStr(url), flush_s=0.01, on_sigterm=False)
    recorder = Recorder.open(settings)
    series = Series("e", "p", "control", "control", "asr", "hi")
    for number in range(1000):
        recorder.expose(series)
        recorder.record(series, float(number), "timeout" if number % 10 == 0 else "")
    assert recorder.close()
    summary = summarize(url)
    assert (summary.exposures, summary.requests, summary.errors) == (1000, 1000, 100)
