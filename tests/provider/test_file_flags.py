"""FileFlags against a real folder: what is delivered, and what never is."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openfeature_triton.flagd_config import Document, FlagFileError, example
from openfeature_triton.provider.file_flags import FileFlags

GOOD = example("asr").read_text(encoding="utf-8")
OTHER = GOOD.replace('["control", 50], ["treatment", 50]', '["control", 90], ["treatment", 10]')
PATIENCE_S = 10.0


class Watched:
    """A `FileFlags` whose deliveries can be waited for."""

    def __init__(self, path: Path) -> None:
        self.delivered: queue.Queue[Document | Exception] = queue.Queue()
        self.source = FileFlags(path, poll_s=0.01)

    def start(self) -> None:
        """Start it, with both deliveries going to the queue."""
        self.source.start(self.delivered.put, self.delivered.put)

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
