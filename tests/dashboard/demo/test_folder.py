"""The demo's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.errors import FolderError
from openfeature_triton.dashboard.demo.folder import fill, made_folder
from openfeature_triton.flagd_config import read_document


def test_a_temporary_folder_is_removed_with_all_that_is_in_it() -> None:
    """Nothing stays of a demo whose folder nobody named."""
    with made_folder(None) as folder:
        fill(folder, "127.0.0.1:8000", SecretStr("sesame"))
        assert read_document(folder.flags).of_task("asr")
        assert not folder.is_kept
    assert not folder.path.exists()


def test_a_named_folder_is_made_and_kept(tmp_path: Path) -> None:
    """Flag file, registry and keys stay, with the folders above made too."""
    with made_folder(tmp_path / "a" / "b") as folder:
        fill(folder, "127.0.0.1:8000", SecretStr("sesame"))
    names = {each.name for each in (tmp_path / "a" / "b").iterdir()}
    assert names >= {".env", "flags.json", "registry.db"}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file in the way is named, with what to do."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(FolderError, match=r"file/inside: .*--dir"),
        made_folder(tmp_path / "file" / "inside"),
    ):
        pass


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """What somebody has is never overwritten."""
    (tmp_path / "flags.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FolderError, match="is not empty"), made_folder(tmp_path):
        pass
