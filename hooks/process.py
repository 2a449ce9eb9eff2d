"""Process: what the end of a process, SIGTERM and a fork mean to a recorder."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from functools import partial
from types import FrameType
from typing import Protocol


class Recording(Protocol):
    """What has something to write at the end, and must begin anew in a child."""

    def end(self) -> object:
        """Write what is pending, within a bounded time."""

    def before_fork(self) -> None:
        """Let what a child could not bear to find half-done come to its end."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Begin anew."""


def watch_exit(recording: Recording) -> None:
    """Call `end` at the normal end of this process.

    `atexit` comes after threads that are no daemons were joined, and before daemons are stopped:
    so requests in flight are in, and the recorder's own thread still runs. A child of
    `multiprocessing` leaves without `atexit` before Python 3.13, but runs that module's finalizers.
    """
    atexit.register(recording.end)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - for its children alone

        Finalize(None, recording.end, exitpriority=0)


def forget_exit(recording: Recording) -> None:
    """Take back `watch_exit`."""
    atexit.unregister(recording.end)


def watch_forks(recording: Recording) -> None:
    """Tell of each fork. Can't be taken back, so it holds no reference."""
    reference = weakref.ref(recording)

    def tell(what: str) -> None:
        alive = reference()
        if alive is not None:
            getattr(alive, what)()

    os.register_at_fork(
        before=partial(tell, "before_fork"),
        after_in_parent=partial(tell, "after_fork_in_parent"),
        after_in_child=partial(tell, "after_fork_in_child"),
    )


class SigtermHandler:
    """Calls `end`, then does what SIGTERM would have done without it."""

    def __init__(self, recording: Recording) -> None:
        self._reference = weakref.ref(recording)
        self._previous = signal.getsignal(signal.SIGTERM)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Write, then hand on: to another recorder's handler, or to the system's default."""
        recording = self._reference()
        if recording is not None:
            recording.end()
        if callable(self._previous):
            self._previous(signum, frame)
        else:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    def uninstall(self) -> None:
        """Put back what was there, if nobody came after us and this is the main thread."""
        present: object = signal.getsignal(signal.SIGTERM)
        if _is_main_thread() and present is self:
            signal.signal(signal.SIGTERM, self._previous)


def watch_sigterm(recording: Recording) -> SigtermHandler | None:
    """Call `end` on SIGTERM; None, and nothing done, where that is somebody else's business.

    That is: outside the main thread, which alone may set handlers, and where a handler of another
    kind is in place (a server's, which ends the process normally, so that `watch_exit` serves).
    """
    if not _is_main_thread():
        return None
    present = signal.getsignal(signal.SIGTERM)
    if present is not signal.SIG_DFL and not isinstance(present, SigtermHandler):
        return None
    handler = SigtermHandler(recording)
    signal.signal(signal.SIGTERM, handler)
    return handler


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
