"""The audit log beside a flag file: who changed what, when and why; lines are only ever added."""

from __future__ import annotations

import base64
import contextlib
import difflib
import getpass
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config.errors import MalformedFileError, Place
from openfeature_triton.flagd_config.file_change import digest, real_path


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `before` and `after` are SHA-256 of the file, "" where there is none.

    `undo` restores what was there, `lint` is what was said of the flag all the same.
    """

    time: str
    who: str
    command: str
    experiment: str
    reason: str
    before: str
    after: str
    diff: str
    undo: str
    lint: tuple[str, ...] = ()

    def restored(self) -> bytes | None:
        """Give the file as it was before the change, None if there was none.

        Raises MalformedFileError if it is not what the log's own hash says.
        """
        if not self.before:
            return None
        with contextlib.suppress(ValueError, zlib.error):
            content = zlib.decompress(base64.b64decode(self.undo))
            if digest(content) == self.before:
                return content
        raise MalformedFileError(
            Place("the audit log"),
            f"what was there before {self.command} {self.experiment} is damaged in it",
            "take it back with git instead",
        )

    def as_dict(self) -> dict[str, Any]:
        """Give what a person wants to see: all but the stored file."""
        return {name: value for name, value in asdict(self).items() if name != "undo"}


def log_of(path: Path) -> Path:
    """Give where a flag file's audit log lies: beside the file itself, where `path` is a link."""
    file = real_path(path)
    return file.with_name(f"{file.name}.audit.jsonl")


def entry(
    command: str,
    experiment: str,
    reason: str,
    before: bytes | None,
    after: bytes | None,
    *,
    lint: tuple[str, ...] = (),
) -> Entry:
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
        undo=base64.b64encode(zlib.compress(before or b"", 9)).decode(),
        lint=lint,
    )


def difference(before: bytes | None, after: bytes | None) -> str:
    """Give a unified diff without its file names."""
    old, new = ((content or b"").decode().splitlines() for content in (before, after))
    return "\n".join(list(difflib.unified_diff(old, new, lineterm="", n=1))[2:])


@contextmanager
def added(path: Path, made: Entry) -> Iterator[None]:
    """Add one line to the log of a flag file, seen on the disk, while the change is made.

    The line is taken away again if it is not: no change without its line, and no line without it.
    """
    log = log_of(path)
    handle = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        try:
            cut_off = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            text = "\n" * cut_off + json.dumps(asdict(made), ensure_ascii=False) + "\n"
            line = memoryview(text.encode(errors="backslashreplace"))
            while line:
                line = line[os.write(handle, line) :]
            os.fsync(handle)
            yield
        except BaseException:
            os.ftruncate(handle, size)
            if not size:
                log.unlink()
            raise
    finally:
        os.close(handle)


def read(path: Path) -> tuple[Entry, ...]:
    """Give the log of a flag file, the oldest change first. Raises MalformedFileError."""
    log = log_of(path)
    if not log.exists():
        return ()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(_parse(line, number, log) for number, line in enumerate(lines, 1) if line)


def _parse(line: str, number: int, log: Path) -> Entry:
    try:
        fields = json.loads(line)
        said = tuple(fields.pop("lint", ()))
        if not all(isinstance(value, str) for value in (*fields.values(), *said)):
            raise TypeError("a field is no text")
        return Entry(**fields, lint=said)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedFileError(
            Place(str(log)), "this line is no entry of an audit log", "restore it from git", number
        ) from error


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
