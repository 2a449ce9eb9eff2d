"""Access: who may look at the dashboard and which programs may report to it, kept in one file.

The file is its owner's alone (mode 0600) and holds hashes only. It is replaced as a whole, under a
lock, so a dashboard that reads it while a command changes it sees one state or the other.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from openfeature_triton.dashboard.errors import AccessError
from openfeature_triton.dashboard.passwords import hash_token

May = Literal["read", "track"]
MAY: tuple[May, ...] = ("read", "track")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}", re.ASCII)
_SHARED = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Token:
    """A program's token: its hash, and what it may do (`read` pages, or `track` outcomes)."""

    sha256: str = field(repr=False)
    may: May


@dataclass(frozen=True, slots=True)
class Access:
    """Users (name → scrypt hash) and tokens (name → token)."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, Token] = field(default_factory=dict)

    def holder(self, token: str, may: May) -> str | None:
        """Give the name of the token that this is, if it may do that; None if there is none."""
        found = hash_token(token)
        for name, kept in self.tokens.items():
            if kept.may == may and hmac.compare_digest(kept.sha256, found):
                return name
        return None


def read_access(path: str | Path) -> Access:
    """Read the file; nobody and nothing if it is not there.

    AccessError if others may read it, or if it can't be read.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read()
    except FileNotFoundError:
        return Access()
    except OSError as error:
        raise AccessError(file, error.strerror or str(error), "let its owner read it") from error
    if mode & _SHARED:
        raise AccessError(file, "others may read or write it", f"chmod 600 {file}")
    try:
        return _parse(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        advice = "put it right, or remove it and add users and tokens again"
        raise AccessError(file, "is no file of users and tokens", advice) from error


def change_access(path: str | Path, change: Callable[[Access], Access]) -> None:
    """Replace the file by what `change` makes of it. AccessError if that can't be."""
    file = Path(path)
    try:
        with _locked(file):
            _replace(file, change(read_access(file)))
    except OSError as error:
        raise AccessError(
            file, error.strerror or str(error), "choose another OFT_ACCESS"
        ) from error


def is_name(name: str) -> bool:
    """Say whether a text may name a user or a token."""
    return bool(_NAME.fullmatch(name))


def _parse(document: Any) -> Access:
    users = {str(name): str(hashed) for name, hashed in document.get("users", {}).items()}
    tokens: dict[str, Token] = {}
    for name, kept in document.get("tokens", {}).items():
        if kept["may"] not in MAY:
            raise ValueError("a token may read or track")
        tokens[str(name)] = Token(str(kept["sha256"]), kept["may"])
    return Access(users, tokens)


def _replace(file: Path, access: Access) -> None:
    document = {
        "users": dict(access.users),
        "tokens": {
            name: {"sha256": kept.sha256, "may": kept.may} for name, kept in access.tokens.items()
        },
    }
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with open(number, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a descriptor
            json.dump(document, opened, indent=2)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(name, file)  # noqa: PTH105 - of a temporary name
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    descriptor = os.open(file.parent, os.O_RDONLY)  # the folder: no lock file is left behind
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class AccessFile:
    """The file as a running dashboard sees it: read again when it has changed."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._seen: tuple[object, Access] | None = None

    def read(self) -> Access:
        """Give who may do what now. AccessError if the file can't be read."""
        try:
            found = self._path.stat()
            state: object = (found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode)
        except FileNotFoundError:
            state = None
        except OSError:
            state = object()
        if self._seen is None or self._seen[0] != state:
            self._seen = (state, read_access(self._path))
        return self._seen[1]
