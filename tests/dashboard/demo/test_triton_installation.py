"""Where Triton comes from, without fetching it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openfeature_triton.dashboard.demo.errors import TritonUnavailableError
from openfeature_triton.dashboard.demo.triton_installation import find_triton

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def put_on_the_path(
    folder: Path, stub: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """Lay out a Triton whose Python backend is linked to a library."""
    program = folder / "bin" / "tritonserver"
    backend = folder / "backends" / "python"
    program.parent.mkdir()
    backend.mkdir(parents=True)
    program.touch(mode=0o755)
    (backend / "triton_python_backend_stub").write_bytes(b"\x7fELF\0" + stub.encode() + b"\0")
    monkeypatch.setenv("PATH", str(program.parent))
    return program, []


def test_triton_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched where there is one for this Python."""
    stub = f"libpython{VERSION}.so.1.0"
    program, said = put_on_the_path(tmp_path, stub, monkeypatch)
    found = find_triton(tmp_path / "cache", said.append)
    assert found.program == program
    assert found.backends == tmp_path / "backends"
    assert said == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="NEEDS Linux: the wheel is for it alone")
def test_where_nothing_can_be_fetched_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Triton for another Python is said and left; what pip can't fetch is an error."""
    _, said = put_on_the_path(tmp_path, "libpython2.7.so.1.0", monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(TritonUnavailableError, match="pip could not fetch"):
        find_triton(tmp_path / "cache", said.append)
    assert "no Python backend for Python" in said[0]
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_machine_that_triton_is_not_built_for_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel exists for Linux x86-64 alone; nothing is tried elsewhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(TritonUnavailableError, match="aarch64"):
        find_triton(tmp_path / "cache", print)
    assert not (tmp_path / "cache").exists()
