"""FileFlags against a real folder: what is delivered, and what never is."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openfeature_triton.flagd_config import Document, FlagFileError, example
from openfeature_triton.provider.file_flags import FileFlags
from openfeature_triton.provider.last_good import LastGood

GOOD = example("asr").read_text(encoding="utf-8")
OTHER = GOOD.replace('["control", 50], ["treatment", 50]', '["control", 90], ["treatment", 10]')
PATIENCE_S = 10.0


class Watched:
    """A `FileFlags` whose deliveries can be waited for."""

    def __init__(self, path: Path, poll_s: float = 0.01, last_good: LastGood | None = None) -> None:
        self.delivered: queue.Queue[Document | Exception | str] = queue.Queue()
        self.source = FileFlags(path, poll_s=poll_s, last_good=last_good)

    def start(self) -> None:
        """Start it, with all deliveries going to the queue."""
        self.source.start(self)

    def on_document(self, document: Document) -> None:
        """A document goes to the queue."""
        self.delivered.put(document)

    def on_error(self, error: Exception) -> None:
        """So does an error."""
        self.delivered.put(error)

    def on_stale(self, reason: str) -> None:
        """And this."""
        self.delivered.put(reason)

    def on_live(self) -> None:
        """And this."""
        self.delivered.put("live")

    def document(self) -> Document:
        """Wait for the next delivery, which must be a document."""
        got = self.delivered.get(timeout=PATIENCE_S)
        assert isinstance(got, Document), got
        return got

    def error(self) -> FlagFileError:
        """Wait for the next delivery, which must be an error."""
        got = self.delivered.get(timeout=PATIENCE_S)
        assert isinstance(got, FlagFileError), got
        return got


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good flag file."""
    path = tmp_path / "flags.json"
    path.write_text(GOOD)
    return path


@pytest.fixture
def watched(path: Path) -> Iterator[Watched]:
    """A source that watches the file, closed in the end."""
    watched = Watched(path)
    yield watched
    watched.source.close()


def _weights(document: Document) -> dict[str, int]:
    (experiment,) = document.experiments.values()
    return dict(experiment.weights)


def test_start_delivers_before_it_returns(watched: Watched) -> None:
    """A provider that waits for initialisation has flags when it is ready."""
    watched.start()
    assert watched.delivered.qsize() == 1
    assert _weights(watched.document()) == {"control": 50, "treatment": 50}


def test_new_content_is_delivered_whatever_the_time_stamp_says(
    watched: Watched, path: Path
) -> None:
    """An edit that keeps length and modification time is an edit all the same."""
    watched.start()
    watched.document()
    stamp = path.stat()
    path.write_text(OTHER)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert _weights(watched.document()) == {"control": 90, "treatment": 10}


def test_a_touched_file_is_not_delivered_again(watched: Watched, path: Path) -> None:
    """Only content counts: the delivery after a touch is that of the edit which follows it."""
    watched.start()
    watched.document()
    path.touch()
    path.write_text(OTHER)
    assert _weights(watched.document()) == {"control": 90, "treatment": 10}
    assert watched.delivered.empty()


@pytest.mark.parametrize("bad", [b"", b"{", b"\xff\xfe", b"null", GOOD.encode()[:-40]])
def test_a_bad_file_is_said_once_and_the_next_good_one_goes_live(
    watched: Watched, path: Path, bad: bytes
) -> None:
    """Truncated, empty or foreign bytes are an error, and never stop the watching."""
    watched.start()
    watched.document()
    path.write_bytes(bad)
    assert str(path) in str(watched.error())
    path.write_text(OTHER)
    got = watched.delivered.get(timeout=PATIENCE_S)
    while isinstance(got, FlagFileError):  # a write is not atomic: its first half is seen too
        got = watched.delivered.get(timeout=PATIENCE_S)
    assert _weights(got) == {"control": 90, "treatment": 10}  # type: ignore[arg-type]


def test_a_deleted_file_is_an_error_until_it_is_back(watched: Watched, path: Path) -> None:
    """Deletion and an atomic replacement are both seen."""
    watched.start()
    watched.document()
    path.unlink()
    assert "flags.json" in str(watched.error())
    replacement = path.with_suffix(".new")
    replacement.write_text(OTHER)
    replacement.replace(path)
    assert _weights(watched.document()) == {"control": 90, "treatment": 10}


def test_a_configmap_swap_is_seen(tmp_path: Path) -> None:
    """Kubernetes swaps the symlink of the folder above the file."""
    for name, text in (("one", GOOD), ("two", OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flags.json").write_text(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "flags.json").symlink_to("..data/flags.json")
    watched = Watched(tmp_path / "flags.json")
    watched.start()
    try:
        watched.document()
        (tmp_path / "..next").symlink_to("two")
        (tmp_path / "..next").replace(tmp_path / "..data")
        assert _weights(watched.document()) == {"control": 90, "treatment": 10}
    finally:
        watched.source.close()


def test_close_ends_the_thread(watched: Watched) -> None:
    """After `close` nothing of the source is left running."""
    watched.start()
    watched.source.close()
    assert not [each for each in threading.enumerate() if each.name == "oft-flag-file"]


def test_a_forked_child_watches_too(watched: Watched, path: Path) -> None:
    """A gunicorn worker forked after the preload sees later edits."""
    watched.start()
    watched.document()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        try:
            path.write_text(OTHER)
            seen = watched.document()
            os._exit(0 if _weights(seen)["treatment"] == 10 else 1)
        except BaseException:  # noqa: BLE001
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_half_written_yaml_is_never_served(tmp_path: Path) -> None:
    """Cut between two flags, YAML is whole in itself: what is still growing is waited for."""
    path = tmp_path / "flags.yaml"
    flag = "  flag-{}:\n    state: ENABLED\n    variants: {{yes: true}}\n"
    path.write_text("flags:\n" + flag.format("first"))
    watched = Watched(path, poll_s=0.15)
    watched.start()
    try:
        assert list(watched.document().flags) == ["flag-first"]
        with path.open("w") as file:
            file.write("flags:\n")
            for number in range(100):
                file.write(flag.format(number))
                file.flush()
                time.sleep(0.005)
        assert len(watched.document().flags) == 100
        assert watched.delivered.empty()
    finally:
        watched.source.close()


def test_a_file_that_changes_all_the_time_is_served_all_the_same(
    watched: Watched, path: Path
) -> None:
    """JSON that is renamed into place is whole: no need to wait until the changes end."""
    watched.start()
    watched.document()
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            replacement = path.with_suffix(".new")
            replacement.write_text(GOOD.replace('"speech"', f'"speech-{number}"'))
            replacement.replace(path)

    writer = threading.Thread(target=change)
    writer.start()
    try:
        seen = [watched.document() for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert len({str(document.experiments) for document in seen}) == 5


def test_the_same_content_after_trouble_is_told_as_live(watched: Watched, path: Path) -> None:
    """A file that comes back unchanged changes nothing but the state."""
    watched.start()
    watched.document()
    path.rename(path.with_suffix(".away"))
    assert "flags.json" in str(watched.error())
    path.with_suffix(".away").rename(path)
    assert watched.delivered.get(timeout=PATIENCE_S) == "live"


def test_a_start_without_the_file_serves_the_last_good_flags(path: Path, tmp_path: Path) -> None:
    """The kept document goes into force, said to be old, until the file is there again."""
    kept = LastGood(tmp_path / "cache" / "flags")
    first = Watched(path, last_good=kept)
    first.start()
    first.source.close()
    path.unlink()
    watched = Watched(path, last_good=kept)
    watched.start()
    try:
        assert "flags.json" in str(watched.error())
        assert _weights(watched.document()) == {"control": 50, "treatment": 50}
        assert "last good" in str(watched.delivered.get(timeout=PATIENCE_S))
        path.write_text(OTHER)
        assert _weights(watched.document()) == {"control": 90, "treatment": 10}
    finally:
        watched.source.close()
