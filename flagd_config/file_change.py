"""Changes a file as a whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openfeature_triton.flagd_config.errors import FlagFileError, Place


class ChangedMeanwhileError(FlagFileError):
    """The file is not as it was when it was read."""


def digest(content: bytes | None) -> str:
    """Give the SHA-256 of a file's content in hex, "" of no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def real_path(path: Path) -> Path:
    """Give the file itself, where a path is a link; for a ring of links the path."""
    return Path(os.path.realpath(path))  # `Path.resolve` raises what is no OSError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file's folder, so that two commands at once go one after the other.

    Of the folder, as the file itself is replaced by each change, and as nothing is left behind.
    """
    handle = os.open(real_path(path).parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def current(path: Path) -> bytes | None:
    """Give what a file holds, None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def replace(path: Path, before: bytes | None, after: bytes | None) -> None:
    """Put new content in the place of the old: written beside it, synced, then renamed.

    None is no file. Mode and owner stay, and so does a symlink to the file. Raises
    ChangedMeanwhileError if the file does not hold `before` any more.
    """
    target = real_path(path)
    if current(target) != before:
        raise ChangedMeanwhileError(
            Place(str(path)), "it was changed meanwhile", "look at the change, and try again"
        )
    if after is None:
        target.unlink()
    else:
        _write(target, after)
    _sync_folder(target.parent)


def _write(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
            _take_over(target, new.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _take_over(target: Path, handle: int) -> None:
    """Give a new file the mode and the owner of the one that it replaces, if there is one."""
    if not target.exists():
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(handle, 0o666 & ~mask)
        return
    state = target.stat()
    os.fchmod(handle, stat.S_IMODE(state.st_mode))
    with contextlib.suppress(PermissionError):
        os.fchown(handle, state.st_uid, state.st_gid)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
