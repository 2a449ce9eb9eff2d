"""Ending: SIGTERM and Ctrl-C end a long-running command at once, but in the middle of nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ended(BaseException):
    """The command is to end; no `except Exception` on the way takes it for a failure."""


class Ending:
    """Raises `Ended` in the main thread on a signal, or soon after what must not be cut off."""

    def __init__(self) -> None:
        self._wanted = False
        self._held = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to the signals; what they did before is put back in the end."""
        before = {each: signal.signal(each, self._hear) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    @contextmanager
    def uncut(self) -> Iterator[None]:
        """Let what is done here end first; the next `wait` raises what was held back."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def wait(self, seconds: float) -> None:
        """Wait for some time; Ended cuts it short."""
        if self._wanted:
            raise Ended
        threading.Event().wait(seconds)

    def _hear(self, _: int, __: FrameType | None) -> None:
        self._wanted = True
        if not self._held:
            raise Ended
