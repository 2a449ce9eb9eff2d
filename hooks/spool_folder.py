"""Spool folder: a spool file per process, each under a lock that its process holds while it lives.

A file whose lock is free belongs to nobody any more: a living process may adopt it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".spool"
DAMAGED = ".damaged"
_LOCK = ".lock"


class Claim:
    """The lock on one spool file; it is free again when this process closes it or ends.

    Args:
        path: the spool file.
        descriptor: its lock file, locked.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self, *, remove: bool) -> None:
        """Let go; `remove` the lock's file where the spool is gone."""
        if remove:
            _lock_path(self.path).unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Close the lock's file; in a forked child this leaves the parent's lock as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def claim(path: Path) -> Claim | None:
    """Lock a spool file; None if another process has it. OSError if the folder can't be used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed the file: then the lock is on nothing that others see.
        if os.fstat(descriptor).st_ino == _lock_path(path).stat().st_ino:
            return Claim(path, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass  # another process has it, or has just removed it: that is the answer
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def orphans(folder: Path) -> Iterator[Claim]:
    """Lock and give each spool file of the folder that belongs to no living process.

    A lock that a process left without a spool, as it was killed between removing both, goes too.
    """
    locks = (path.with_suffix(SUFFIX) for path in folder.glob(f"*{_LOCK}"))
    for path in sorted({*folder.glob(f"*{SUFFIX}"), *locks}):
        claimed = claim(path)
        if claimed is not None:
            if path.exists():
                yield claimed
            else:
                claimed.release(remove=True)


def set_aside(path: Path) -> Path:
    """Rename a file that is no spool, so that it is in nobody's way; gives its new name."""
    aside = path.with_name(path.name + DAMAGED)
    number = 1
    while aside.exists():
        aside = path.with_name(f"{path.name}{DAMAGED}.{number}")
        number += 1
    path.rename(aside)
    for name in ("-wal", "-shm"):
        beside = path.with_name(path.name + name)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + name))
    return aside


def _lock_path(path: Path) -> Path:
    return path.with_suffix(_LOCK)
