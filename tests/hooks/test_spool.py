"""The spool and the outbox: what waits, on disk and in memory."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openfeature_triton.hooks import Point, schema
from openfeature_triton.hooks.outbox import DISK_FAILED, DISK_FAILED_RAW, Outbox
from openfeature_triton.hooks.spool import SPOOL_FULL, SPOOL_FULL_RAW, Spool
from openfeature_triton.hooks.spool_file import ForeignSpoolError

LIMIT = 2**20


def window(series: str, time_ns: int, requests: float, outcomes: int = 1) -> Point:
    """A window at its running value."""
    return Point(
        schema.LIGHT, (("experiment", series),), time_ns, {schema.REQUESTS: requests}, outcomes
    )


def raw(time_ns: int) -> Point:
    """A raw point."""
    return Point(schema.RAW, (("experiment", "e"),), time_ns, {"latency_ms": 1.0, "pad": "x" * 500})


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool on disk."""
    return Spool(tmp_path / "one.spool", LIMIT)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox with a folder of its own."""
    box = Outbox(tmp_path / "spool", LIMIT, 60.0)
    yield box
    box.close()


def test_a_newer_value_replaces_the_older_one(spool: Spool) -> None:
    """Field by field; the outcomes that wait add up."""
    spool.put([window("e", 1, 5.0, 5)])
    spool.put([Point(schema.LIGHT, (("experiment", "e"),), 1, {schema.ERRORS: 1.0}, 0)])
    spool.put([window("e", 1, 8.0, 3)])
    (point,) = spool.take(10)
    assert point.line == "inference_light,experiment=e errors=1,requests=8 1"
    assert point.outcomes == 8


def test_what_came_while_it_was_sent_stays(spool: Spool) -> None:
    """Only the value that was delivered is forgotten."""
    spool.put([window("e", 1, 5.0, 5)])
    taken = spool.take(10)
    spool.put([window("e", 1, 7.0, 2)])
    assert spool.settle(taken, 60.0) == 5
    assert spool.backlog().outcomes == 2
    assert spool.settle(spool.take(10), 60.0) == 2
    assert spool.backlog().points == 0


def test_a_window_in_doubt_is_taken_once_more(spool: Spool) -> None:
    """It was sent and not answered; so its newest value goes again when the doubt is over."""
    spool.put([window("e", 1, 5.0, 5)])
    spool.doubt(spool.take(10))
    spool.put([window("e", 1, 7.0, 2)])
    assert spool.settle(spool.take(10), 60.0) == 7
    assert spool.take(10) == []
    assert (spool.backlog().points, spool.backlog().held, spool.is_empty()) == (0, 1, False)
    spool.put([window("e", 1, 8.0, 1)])
    assert spool.settle(spool.take(10), 0.0) == 1
    (again,) = spool.take(10)
    assert "requests=8" in again.line
    assert spool.settle([again], 60.0) == 0
    assert spool.is_empty()


def test_doubt_begins_when_the_server_answers_again(spool: Spool) -> None:
    """However long ago the request was given up: a server that stood still goes on with it."""
    spool.put([window("e", 1, 5.0, 5)])
    spool.doubt(spool.take(10))
    assert spool.take(10)[0].in_doubt
    spool.settle(spool.take(10), 60.0)
    assert spool.take(10) == []


def test_a_second_delivery_that_gets_no_answer_is_tried_again(spool: Spool) -> None:
    """The first doubt is not over, and there is another."""
    spool.put([window("e", 1, 5.0, 5)])
    spool.doubt(spool.take(10))
    spool.settle(spool.take(10), 0.0)
    spool.doubt(spool.take(10))
    (again,) = spool.take(10)
    assert again.in_doubt
    spool.settle([again], 0.0)
    spool.settle(spool.take(10), 0.0)
    assert spool.is_empty()


def test_doubt_goes_by_no_wall_clock(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that jumps forward does not end it early."""
    spool.put([window("e", 1, 5.0, 5)])
    spool.doubt(spool.take(10))
    spool.settle(spool.take(10), 60.0)
    monkeypatch.setattr(time, "time", lambda: 1e11)
    assert spool.take(10) == []


def test_a_raw_point_is_never_in_doubt(spool: Spool) -> None:
    """It has one value."""
    spool.put([raw(1)])
    spool.doubt(spool.take(10, raw=True))
    spool.doubt_all()
    spool.settle(spool.take(10, raw=True), 60.0)
    assert spool.is_empty()


def test_a_spool_outlives_its_process(spool: Spool, tmp_path: Path) -> None:
    """Another object on the same file finds all."""
    spool.put([window("e", 1, 5.0)])
    assert len(Spool(tmp_path / "one.spool", LIMIT).take(10)) == 1


def test_a_full_spool_drops_the_oldest_raw_points_first(spool: Spool) -> None:
    """Then the oldest windows; both counted by reason, windows by their outcomes."""
    spool.put([raw(number) for number in range(4000)])
    dropped = spool.make_room()
    assert dropped[SPOOL_FULL_RAW] > 0
    assert dropped[SPOOL_FULL] == 0
    left = spool.take(1, raw=True)
    assert left[0].time_ns >= dropped[SPOOL_FULL_RAW]
    spool.put([window("e" * 400, number, 1.0, 2) for number in range(4000)])
    dropped = spool.make_room()
    assert dropped[SPOOL_FULL] > 0
    assert spool.backlog().raw_points == 0
    assert spool.backlog().outcomes + dropped[SPOOL_FULL] == 8000


def test_what_was_dropped_under_way_and_arrives_was_not_lost(spool: Spool) -> None:
    """As many outcomes as were sent; what came since, and was dropped with them, is lost."""
    spool.put([window("e", 1, 5.0, 5)])
    (taken,) = spool.take(10)
    spool.put([window("e", 1, 8.0, 3)])
    spool.put([window("e" * 400, number, 1.0, 2) for number in range(2, 4000)])
    dropped = spool.make_room()
    assert spool.regained([taken]) == {SPOOL_FULL: 5}
    assert spool.regained([taken]) == {}
    assert spool.settle([taken], 60.0) == 5
    assert spool.backlog().outcomes == 2 * 3998 + 8 - dropped[SPOOL_FULL]


def test_the_newest_window_that_was_dropped_is_told_once(spool: Spool) -> None:
    """Raw points are none."""
    spool.put([raw(number) for number in range(4000)])
    spool.make_room()
    assert spool.newest_dropped_ns() == 0
    spool.put([window("e" * 400, number, 1.0) for number in range(4000)])
    spool.make_room()
    left = spool.take(1)[0].time_ns
    assert [spool.newest_dropped_ns(), spool.newest_dropped_ns()] == [left - 1, 0]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough" * 9, b"SQLite format 3\0"]
)
def test_a_foreign_or_torn_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is left as it is."""
    path = tmp_path / "foreign.spool"
    path.write_bytes(content)
    with pytest.raises(ForeignSpoolError):
        Spool(path, LIMIT).take(1)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    """A SQLite file is not yet a spool."""
    path = tmp_path / "foreign.spool"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.close()
    with pytest.raises(ForeignSpoolError):
        Spool(path, LIMIT).put([window("e", 1, 1.0)])


def test_a_file_torn_while_in_use_is_set_aside(outbox: Outbox) -> None:
    """Recording goes on in a new one; that it happened is counted."""
    outbox.put([window("e", 1, 1.0)])
    (path,) = outbox.folder.glob("*.spool")
    path.write_bytes(b"torn" * 1000)
    outbox.put([window("e", 2, 1.0)])
    points, _ = outbox.take(10)
    assert [point.time_ns for point in points] == [2]
    assert outbox.set_aside == 1
    assert len(list(outbox.folder.glob("*.damaged"))) == 1


def test_what_was_taken_from_a_torn_file_settles_nothing_in_the_next(outbox: Outbox) -> None:
    """Its points are other ones, though they were put in in the same order."""
    outbox.put([window("e", 1, 1.0)])
    taken, spool = outbox.take(10)
    (path,) = outbox.folder.glob("*.spool")
    path.write_bytes(b"torn" * 1000)
    outbox.put([window("e", 2, 1.0)])
    outbox.settle(taken, spool)
    points, _ = outbox.take(10)
    assert [point.time_ns for point in points] == [2]


def test_doubt_outlives_a_failing_disk(outbox: Outbox) -> None:
    """It is remembered until the disk takes it, and nothing is sent from there before."""
    outbox.put([window("e", 1, 1.0)])
    taken, spool = outbox.take(10)
    with hidden(outbox):
        outbox.doubt(taken, spool)
        assert outbox.take(10)[0] == []
    ((point,), _) = outbox.take(10)
    assert point.in_doubt


def test_memory_stands_in_for_a_failing_disk(tmp_path: Path) -> None:
    """What can't be written waits in memory, is delivered from there, and goes to disk later."""
    folder = tmp_path / "spool"
    folder.write_text("a file where the folder should be")
    outbox = Outbox(folder, LIMIT, 60.0)
    outbox.put([window("e", 1, 1.0)])
    assert outbox.disk_errors == 1
    before = outbox.is_on_disk
    points, spool = outbox.take(10)
    assert [point.time_ns for point in points] == [1]
    assert outbox.settle(points, spool) == 1
    outbox.put([window("e", 2, 1.0)])
    folder.unlink()
    outbox.put([window("e", 3, 1.0)])
    assert (before, outbox.is_on_disk) == (False, True)
    points, _ = outbox.take(10)
    assert {2, 3} <= {point.time_ns for point in points}
    assert sum(point.outcomes for point in points) == 2
    outbox.close()


@contextmanager
def hidden(outbox: Outbox) -> Iterator[None]:
    """Let the disk fail: there is a folder in the place of the file."""
    (path,) = outbox.folder.glob("*.spool")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    path.mkdir()
    yield
    path.rmdir()
    aside.rename(path)


def test_an_older_value_is_not_sent_before_the_disk_has_heard_of_the_newer(outbox: Outbox) -> None:
    """When the disk is back, and nothing more was recorded."""
    outbox.put([window("e", 1, 1.0)])
    with hidden(outbox):
        outbox.put([window("e", 1, 2.0)])
        outbox.settle(*outbox.take(10))
    points, _ = outbox.take(10)
    assert [point.line for point in points] == ["inference_light,experiment=e requests=2 1"]
    assert outbox.is_on_disk


def test_what_memory_holds_at_the_end_is_rescued(outbox: Outbox) -> None:
    """Where the disk is back by then, another process finds it."""
    outbox.put([window("e", 1, 1.0)])
    with hidden(outbox):
        outbox.put([window("e", 2, 1.0)])
    outbox.rescue()
    outbox.close()
    (path,) = outbox.folder.glob("*.spool")
    assert Spool(path, LIMIT).backlog().outcomes == 2
    assert outbox.dropped == {}


def test_what_no_disk_takes_at_the_end_is_counted(outbox: Outbox) -> None:
    """By its outcomes; it does not wait any more."""
    outbox.put([window("e", 1, 1.0)])
    with hidden(outbox):
        outbox.put([window("e", 2, 7.0, 7), raw(1)])
        outbox.rescue()
    assert outbox.dropped == {DISK_FAILED: 7, DISK_FAILED_RAW: 1}
    assert outbox.backlog().outcomes == 1


def test_a_disk_that_fails_after_a_write_makes_nothing_count_twice(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the file is not put into memory too."""

    def fail(_: Spool) -> Counter[str]:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Spool, "make_room", fail)
    outbox.put([window("e", 1, 1.0)])
    assert outbox.disk_errors > 0
    assert (outbox.is_on_disk, outbox.backlog().outcomes) == (True, 1)


def test_memory_is_bounded_too(tmp_path: Path) -> None:
    """Without a disk the oldest goes first, counted by its outcomes."""
    folder = tmp_path / "spool"
    folder.write_text("a file where the folder should be")
    outbox = Outbox(folder, LIMIT, 60.0)
    for start in range(0, 20_000, 1000):
        outbox.put([window("e" * 200, start + number, 1.0) for number in range(1000)])
    assert outbox.dropped[SPOOL_FULL] > 0
    assert outbox.backlog().outcomes + outbox.dropped[SPOOL_FULL] == 20_000


def test_an_older_value_on_a_disk_that_comes_back_never_wins(outbox: Outbox) -> None:
    """A newer value that was delivered from memory goes over it once more."""
    outbox.put([window("e", 1, 1.0)])
    with hidden(outbox):
        outbox.put([window("e", 1, 2.0)])
        points, spool = outbox.take(10)
        assert "requests=2" in points[0].line
        outbox.settle(points, spool)
    outbox.put([window("f", 1, 1.0)])
    points, _ = outbox.take(10)
    assert [point.line for point in points if "=e " in point.line] == [
        "inference_light,experiment=e requests=2 1"
    ]


def test_only_dead_processes_are_adopted(tmp_path: Path) -> None:
    """A living one holds the lock on its file."""
    living, other = Outbox(tmp_path, LIMIT, 60.0), Outbox(tmp_path, LIMIT, 60.0)
    living.put([window("e", 1, 1.0)])
    assert list(other.adopt()) == []
    living.close()
    ((claim, spool),) = list(other.adopt())
    points = spool.take(1)
    assert [point.time_ns for point in points] == [1]
    other.leave(claim, spool)
    assert list(tmp_path.glob("*.spool")) == [claim.path]
    other.settle(points, spool)
    ((claim, spool),) = list(other.adopt())
    other.leave(claim, spool)
    assert list(tmp_path.glob("*.spool")) == []


def test_a_lock_without_a_spool_is_removed(tmp_path: Path) -> None:
    """A process was killed between removing the one and the other."""
    (tmp_path / "1-abc.lock").touch()
    assert list(Outbox(tmp_path, LIMIT, 60.0).adopt()) == []
    assert list(tmp_path.iterdir()) == []


def test_an_adopted_spool_whose_disk_fails_says_so(tmp_path: Path) -> None:
    """It would give the same points again and again."""
    dead, living = Outbox(tmp_path, LIMIT, 60.0), Outbox(tmp_path, LIMIT, 60.0)
    dead.put([window("e", 1, 1.0)])
    dead.close()
    ((_, spool),) = list(living.adopt())
    points = spool.take(10)
    (path,) = tmp_path.glob("*.spool")
    path.unlink()
    path.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        living.settle(points, spool)
    path.rmdir()
