"""Flags from a file: the embedded default, reloaded when its content changes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from openfeature_triton.flagd_config import Document, FlagFileError, read_document

OnDocument = Callable[[Document], None]
OnError = Callable[[Exception], None]


class FlagSource(Protocol):
    """Where flag documents come from."""

    def start(self, on_document: OnDocument, on_error: OnError) -> None:
        """Deliver the present document before returning, and each later one from a thread."""

    def close(self) -> None:
        """Deliver nothing more; returns within a second."""


class FileFlags:
    """A flagd flag file (JSON, or YAML by its suffix), looked at every `poll_s` seconds.

    Content decides, never the modification time: a ConfigMap's symlink swap, an atomic replace
    and a touch are told apart by what the file then holds. A file that can't be read or is no
    good is reported once and the last good document stays.
    """

    def __init__(self, path: str | Path, *, bucketing: str = "v3", poll_s: float = 0.5) -> None:
        self.path = Path(path)
        self.bucketing = bucketing
        self._poll_s = poll_s
        self._seen: bytes | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_document: OnDocument, on_error: OnError) -> None:
        """Read the file now, then watch it; `on_error` gets the reason when it is no good."""
        self._closed.clear()
        self._look(on_document, on_error)
        self._watch(on_document, on_error)
        os.register_at_fork(after_in_child=lambda: self._watch_again(on_document, on_error))

    def close(self) -> None:
        """Stop watching; returns when the thread has ended (at most a second)."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _watch(self, on_document: OnDocument, on_error: OnError) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._closed, on_document, on_error), name="oft-flag-file"
        )
        self._thread.daemon = True
        self._thread.start()

    def _watch_again(self, on_document: OnDocument, on_error: OnError) -> None:
        """A forked child has the document but no thread: give it one, unless it is closed."""
        if self._thread is None or self._closed.is_set():
            return
        self._closed = threading.Event()
        self._watch(on_document, on_error)

    def _run(self, closed: threading.Event, on_document: OnDocument, on_error: OnError) -> None:
        while not closed.wait(self._poll_s):
            self._look(on_document, on_error)

    def _look(self, on_document: OnDocument, on_error: OnError) -> None:
        """Read the file, and deliver what it holds if that differs from the last look."""
        fingerprint = _fingerprint(self.path)
        if fingerprint == self._seen:
            return
        self._seen = fingerprint
        try:
            document = read_document(self.path, bucketing=self.bucketing)
        except FlagFileError as error:
            on_error(error)
        else:
            on_document(document)


def _fingerprint(path: Path) -> bytes:
    """Name the present content, or the way in which it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        return f"{type(error).__name__} {error.errno}".encode()
