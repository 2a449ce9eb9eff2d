"""The audit log beside a flag file: who changed what, when and why; lines are only ever added."""

from __future__ import annotations

import base64
import difflib
import getpass
import json
import os
import zlib
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config.errors import MalformedFileError, Place
from openfeature_triton.flagd_config.file_change import digest


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `before` and `after` are SHA-256 of the file; `undo` restores what was there."""

    time: str
    who: str
    command: str
    experiment: str
    reason: str
    before: str
    after: str
    diff: str
    undo: str

    def restored(self) -> bytes:
        """Give the file as it was before the change."""
        return zlib.decompress(base64.b64decode(self.undo))

    def as_dict(self) -> dict[str, Any]:
        """Give what a person wants to see: all but the stored file."""
        return {name: value for name, value in asdict(self).items() if name != "undo"}


def log_of(path: Path) -> Path:
    """Give where a flag file's audit log lies."""
    return path.with_name(f"{path.name}.audit.jsonl")


def entry(command: str, experiment: str, reason: str, before: bytes, after: bytes) -> Entry:
    """Describe a change that is about to be made, by whoever runs this process."""
    return Entry(
        time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        who=_who(),
        command=command,
        experiment=experiment,
        reason=reason,
        before=digest(before),
        after=digest(after),
        diff=difference(before, after),
        undo=base64.b64encode(zlib.compress(before, 9)).decode(),
    )


def difference(before: bytes, after: bytes) -> str:
    """Give a unified diff without its file names."""
    old, new = (content.decode().splitlines() for content in (before, after))
    return "\n".join(list(difflib.unified_diff(old, new, lineterm="", n=1))[2:])


def append(path: Path, made: Entry) -> None:
    """Add one line to the log of a flag file, and see it on the disk."""
    with log_of(path).open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(made), ensure_ascii=False) + "\n")
        log.flush()
        os.fsync(log.fileno())


def read(path: Path) -> tuple[Entry, ...]:
    """Give the log of a flag file, the oldest change first. Raises MalformedFileError."""
    log = log_of(path)
    if not log.exists():
        return ()
    lines = log.read_text(encoding="utf-8").splitlines()
    return tuple(_parse(line, number, log) for number, line in enumerate(lines, 1) if line)


def _parse(line: str, number: int, log: Path) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise MalformedFileError(
            Place(str(log)), "this line is no entry of an audit log", "restore it from git", number
        ) from error


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
