"""Versions of a flag file: one on disk, or the same path as a commit of git has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from openfeature_triton.flagd_config.errors import Place, UnreadableFileError
from openfeature_triton.flagd_config.syntax import read_bytes

GIT = "git:"


def read_version(name: str, beside: str | Path) -> bytes:
    """Read a version: `git:<commit>` is the file `beside` as that commit has it, else a path.

    Raises UnreadableFileError.
    """
    if not name.startswith(GIT):
        return read_bytes(name)
    path = Path(beside).absolute()
    commit = name.removeprefix(GIT)
    try:
        found = subprocess.run(  # noqa: S603 no shell, and git's arguments end at --
            ["git", "show", "--end-of-options", f"{commit}:./{path.name}"],  # noqa: S607
            cwd=path.parent,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _unreadable(name, path, type(error).__name__) from error
    if found.returncode:
        lines = found.stderr.decode(errors="replace").strip().splitlines()
        raise _unreadable(name, path, lines[0] if lines else "git failed")
    return found.stdout


def _unreadable(name: str, path: Path, why: str) -> UnreadableFileError:
    return UnreadableFileError(
        Place(f"{name} of {path}"),
        f"git cannot give it ({why})",
        "name a commit that has the file, e.g. git:HEAD, or another file",
    )
