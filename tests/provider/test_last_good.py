"""LastGood on a real disk: what was kept comes back, and nothing that is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from openfeature_triton.provider import LastGood


def test_what_is_kept_comes_back_with_its_age(tmp_path: Path) -> None:
    """Text and time survive, lines and all."""
    kept = LastGood(tmp_path / "folder" / "flags")
    kept.save(b'{"flags":\n{}}\n')
    loaded = kept.load()
    assert loaded is not None
    assert loaded.text == b'{"flags":\n{}}\n'
    assert 0.0 <= loaded.age_s < 60.0


def test_nothing_kept_is_none(tmp_path: Path) -> None:
    """The first start has no last good document."""
    assert LastGood(tmp_path / "flags").load() is None


@pytest.mark.parametrize("cut", [0, 1, 20, 90, -1])
def test_a_damaged_file_counts_as_none(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut anywhere, the checksum or the first line tells."""
    kept = LastGood(tmp_path / "flags")
    kept.save(b'{"flags": {}}')
    kept.path.write_bytes(kept.path.read_bytes()[:cut])
    with caplog.at_level(logging.WARNING):
        assert kept.load() is None
    assert str(kept.path) in caplog.text


def test_an_unwritable_place_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeping is a help, never a failure."""
    (tmp_path / "file").write_text("")
    kept = LastGood(tmp_path / "file" / "flags")
    with caplog.at_level(logging.WARNING):
        kept.save(b"1")
        kept.save(b"2")
    assert len(caplog.records) == 1


def test_saving_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    """The temporary file has become the file."""
    kept = LastGood(tmp_path / "flags")
    kept.save(b"1")
    kept.save(b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["flags"]
