"""Changes a file as a whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openfeature_triton.flagd_config.errors import FlagFileError, Place


class ChangedMeanwhileError(FlagFileError):
    """The file is not as it was when it was read."""


def digest(content: bytes) -> str:
    """Give the SHA-256 of a file's content, in hex."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file's folder, so that two commands at once go one after the other.

    Of the folder, as the file itself is replaced by each change, and as nothing is left behind.
    """
    handle = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(path: Path, before: bytes, after: bytes) -> None:
    """Put new content in the place of the old: written beside it, synced, then renamed.

    Mode and owner stay, and so does a symlink to the file. Raises ChangedMeanwhileError if the
    file does not hold `before` any more.
    """
    target = path.resolve()
    if target.read_bytes() != before:
        raise ChangedMeanwhileError(
            Place(str(path)), "it was changed meanwhile", "look at the change, and try again"
        )
    state = target.stat()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(after)
            new.flush()
            os.fsync(new.fileno())
            os.fchmod(new.fileno(), state.st_mode)
            with contextlib.suppress(PermissionError):
                os.fchown(new.fileno(), state.st_uid, state.st_gid)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
