"""Flags from a file: the embedded default, reloaded when its content changes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openfeature_triton.flagd_config import DocumentReader, FlagFileError
from openfeature_triton.flagd_config.document import YAML_SUFFIXES
from openfeature_triton.flagd_config.give_way import abandoned_when
from openfeature_triton.flagd_config.syntax import read_bytes
from openfeature_triton.provider.deliveries import Deliveries
from openfeature_triton.provider.flag_sources import FlagListener
from openfeature_triton.provider.last_good import LastGood

SETTLING_S = 0.5


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the file saw: its content, or the reason why there is none."""

    found: bytes | FlagFileError
    digest: bytes
    inode: int
    age_s: float

    @classmethod
    def at(cls, path: Path) -> _Look:
        """Look at a file now."""
        try:
            inode, age_s = _identity(path)
            text = read_bytes(path)
        except FlagFileError as error:
            return cls(error, str(error).encode(), 0, SETTLING_S)
        return cls(text, hashlib.sha256(text).digest(), inode, age_s)


class FileFlags:
    """A flagd flag file (JSON, or YAML by its suffix), looked at every `poll_s` seconds.

    Content decides, never the modification time: a ConfigMap's symlink swap, an atomic replace
    and a touch are told apart by what the file then holds. New content counts when two looks
    agree, so that what a writer has written so far is not taken for the whole. A file that can't
    be read or is no good is reported once and the last good document stays.

    Args:
        path: the file.
        bucketing: "v2" or "v3", the generation of flagd's hash.
        poll_s: seconds between two looks.
        allow_empty: whether a document without any flag is taken.
        last_good: where to keep the last good document for a start without the file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        bucketing: str = "v3",
        poll_s: float = 0.2,
        allow_empty: bool = False,
        last_good: LastGood | None = None,
    ) -> None:
        self.path = Path(path)
        self.bucketing = bucketing
        self._yaml = self.path.suffix.lower() in YAML_SUFFIXES
        self._poll_s = poll_s
        self._allow_empty = allow_empty
        self._last_good = last_good
        self._deliveries: Deliveries | None = None
        self._handled: _Look | None = None
        self._unsettled: _Look | None = None
        self._unsettled_since_s = 0.0
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, listener: FlagListener) -> None:
        """Read the file now, then watch it."""
        reader = DocumentReader(
            str(self.path),
            bucketing=self.bucketing,
            yaml=self._yaml,
            allow_empty=self._allow_empty,
        )
        self._deliveries = deliveries = Deliveries(reader, listener, self._last_good)
        self._closed = threading.Event()
        self._handle(self._settled(), deliveries)
        deliveries.restore()
        self._watch(deliveries)
        again = weakref.WeakMethod(self._watch_again)
        os.register_at_fork(after_in_child=lambda: _call(again))

    def close(self) -> None:
        """Stop watching; returns when the thread has ended (at most a second)."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def age_s(self) -> float | None:
        """Seconds since the file was last seen to hold what is in force."""
        return self._deliveries.age_s() if self._deliveries else None

    def _watch(self, deliveries: Deliveries) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._closed, deliveries), name="oft-flag-file", daemon=True
        )
        self._thread.start()

    def _watch_again(self) -> None:
        """A forked child has the document but no thread: give it one, unless it is closed."""
        if self._thread is None or self._closed.is_set() or self._deliveries is None:
            return
        self._closed = threading.Event()
        self._watch(self._deliveries)

    def _run(self, closed: threading.Event, deliveries: Deliveries) -> None:
        with abandoned_when(closed):
            while not closed.wait(self._poll_s):
                look = _Look.at(self.path)
                if self._is_settled(look):
                    self._handle(look, deliveries)

    def _handle(self, look: _Look, deliveries: Deliveries) -> None:
        """Deliver what a look found, unless the look before found the same."""
        before, self._handled = self._handled, look
        same = before is not None and before.digest == look.digest
        if isinstance(look.found, FlagFileError):
            if not same:
                deliveries.error(look.found)
        elif same:
            deliveries.alive()
        else:
            deliveries.text(look.found)

    def _is_settled(self, look: _Look) -> bool:
        """Say whether a look shows all of the content, and not what was written so far.

        JSON that was renamed into place, or that changes all the time, is not waited for: a part
        of it is no document.
        """
        before, self._unsettled = self._unsettled, look
        if before is None or before.digest == look.digest:
            self._unsettled_since_s = time.monotonic()
            return before is not None
        replaced = look.inode != before.inode and bool(before.inode)
        restless = time.monotonic() - self._unsettled_since_s > SETTLING_S
        return not self._yaml and (replaced or restless) and isinstance(look.found, bytes)

    def _settled(self) -> _Look:
        """Look until two looks agree, if the file has only just been written."""
        look = _Look.at(self.path)
        give_up_s = time.monotonic() + 2 * SETTLING_S
        while look.age_s < SETTLING_S and time.monotonic() < give_up_s:
            time.sleep(min(0.05, self._poll_s))
            before, look = look, _Look.at(self.path)
            if look.digest == before.digest:
                break
        self._unsettled = look
        return look


def _identity(path: Path) -> tuple[int, float]:
    """Give the file's inode, and the seconds since it was written; zeros if there is none."""
    try:
        stat = path.stat()
    except OSError:  # reading it says why
        return 0, 0.0
    return stat.st_ino, max(0.0, time.time() - stat.st_mtime)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    """Call a method whose object may be gone."""
    alive = method()
    if alive is not None:
        alive()
