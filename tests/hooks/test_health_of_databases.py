"""The health file of a process that writes to a database by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from openfeature_triton.hooks import MemorySink, Point, Recorder, RecorderSettings, Series

SERIES = Series("e", "aaaa1111", "new", "new", "asr", "hi-IN")


class Away(MemorySink):
    """A store that is away."""

    def write(self, points: Collection[Point]) -> None:
        """Fail."""
        raise OSError(f"away with {len(points)} points")


def _said(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("*.health.json")]


def _settings(**given: Any) -> RecorderSettings:
    return RecorderSettings(on_sigterm=False, **given)


def test_a_process_says_how_it_does_while_it_runs_and_leaves_nothing_at_a_clean_end(
    tmp_path: Path,
) -> None:
    """With the folder that it was given, which it makes."""
    folder = tmp_path / "spool"
    recorder = Recorder(MemorySink(), _settings(spool=folder))
    recorder.record(SERIES, 1.0)
    assert recorder.flush()
    [said] = _said(folder)
    assert (said["pid"], said["ended"], said["accepted"]) == (os.getpid(), False, 1)
    assert said["delivery"]["delivered"] == 1
    assert recorder.close()
    assert list(folder.iterdir()) == []


def test_what_was_lost_is_said_for_longer_than_the_process(tmp_path: Path) -> None:
    """While the store is away, that too."""
    recorder = Recorder(Away(), _settings(spool=tmp_path))
    recorder.record(SERIES, 1.0)
    assert not recorder.flush(timeout_s=0.3)
    [said] = _said(tmp_path)
    assert said["delivery"]["state"] == "not_written"
    assert "away" in said["last_error"]
    assert not recorder.close(timeout_s=0.3)
    [said] = _said(tmp_path)
    assert (said["ended"], said["dropped"]) == (True, {"closed": 1})


@pytest.mark.parametrize("is_there", [True, False])
def test_by_default_it_speaks_only_where_a_spool_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    """Nobody who records to a database finds a folder that they did not ask for."""
    monkeypatch.chdir(tmp_path)
    if is_there:
        Path("spool").mkdir()
    recorder = Recorder(MemorySink(), _settings())
    recorder.record(SERIES, 1.0)
    assert recorder.flush()
    assert len(_said(Path("spool"))) == is_there
    assert Path("spool").exists() == is_there
    recorder.close()


def test_a_disk_that_fails_costs_no_outcome(tmp_path: Path) -> None:
    """The file can't be written, the store can."""
    (tmp_path / "spool").write_text("a file")
    sink = MemorySink()
    recorder = Recorder(sink, _settings(spool=tmp_path / "spool"))
    recorder.record(SERIES, 1.0)
    assert recorder.flush()
    assert recorder.close()
    assert sink.points
