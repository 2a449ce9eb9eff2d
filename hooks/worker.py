"""Worker: the background thread of one process, which folds what callers left, and writes.

It takes no lock that a caller could hold.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from openfeature_triton.hooks.folding import Folding
from openfeature_triton.hooks.inboxes import Inboxes
from openfeature_triton.hooks.intake import CLOSED
from openfeature_triton.hooks.metrics import merged_units
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.settings import RecorderSettings
from openfeature_triton.hooks.sink import Forwarding, Sink

_log = logging.getLogger(__name__)

_DRAIN_S = 0.25
_RETRY_S = 0.1
_PAUSE_S = 2.0

BACKLOG_FULL = "backlog_full"


class Worker:
    """Adds up and writes what callers leave in its inboxes.

    Args:
        sink: where points go.
        settings: widths, intervals and bounds.
        clock_ns: the wall clock, in ns since 1970.
        say_health: tells how it goes after each write, and whether that was the last.
    """

    def __init__(
        self,
        sink: Sink,
        settings: RecorderSettings,
        clock_ns: Callable[[], int],
        say_health: Callable[[bool], None],
    ) -> None:
        units = merged_units(settings.metrics)
        self.inboxes = Inboxes(settings, units)
        self.thread: threading.Thread | None = None
        self._sink = sink
        self._forwarding = sink if isinstance(sink, Forwarding) else None
        makes_raw = self._forwarding is not None and settings.raw_points
        self.folding = Folding(self.inboxes, settings, units, clock_ns, makes_raw=makes_raw)
        self.counts, self.dropped = self.folding.counts, self.folding.dropped
        self._write_s = settings.flush_s if self._forwarding is None else settings.spool_s
        self._max_backlog = settings.max_backlog
        self._wake: SimpleQueue[Request] = SimpleQueue()
        self._say_health = say_health
        self.in_trouble = False
        self._writing = threading.RLock()
        self._pauses: dict[int, bool] = {}

    @property
    def backlog_points(self) -> int:
        """How many points are held in memory, present windows among them."""
        return len(self.folding.rollups) + len(self.folding.phases)

    def start(self) -> None:
        """Start the thread; RuntimeError where the interpreter can start none (any more)."""
        thread = threading.Thread(target=self._run, name="openfeature-triton-recorder", daemon=True)
        thread.start()
        self.thread = thread

    def pause(self) -> None:
        """Wait for a write to end, and let none begin: a fork is near.

        A child that is forked in the middle of one would find the mutexes of SQLite's library
        locked by a thread that it does not have. A write that takes too long is not waited for.
        """
        self._pauses[threading.get_ident()] = self._writing.acquire(timeout=_PAUSE_S)
        if self._forwarding is not None:
            self._forwarding.before_fork()

    def resume(self) -> None:
        """Let writes begin again."""
        if self._forwarding is not None:
            self._forwarding.after_fork_in_parent()
        if self._pauses.pop(threading.get_ident(), False):
            self._writing.release()

    def ask(self, request: Request) -> None:
        """Hand a request to the thread; safe in a signal handler."""
        self._wake.put(request)

    def serve(self, request: Request) -> None:
        """Do at once what a request asks for; in the calling thread, so only if no thread runs."""
        try:
            self._fold_whatever_comes()
            while not self.write() and time.monotonic() + _RETRY_S < request.deadline_s:
                time.sleep(_RETRY_S)
                self._fold_whatever_comes()
            request.delivered = self.folding.is_settled
            if request.stop:
                self._end()
            self._say_health(request.stop)
        finally:
            if self._forwarding is not None and request.is_wished:
                self._forwarding.ask(request)
            else:
                request.done.set()

    def _run(self) -> None:
        due_s = time.monotonic() + self._write_s
        wait_s = min(_DRAIN_S, self._write_s)
        while True:
            try:
                request = self._wake.get(timeout=0 if self.inboxes.is_crowded else wait_s)
            except Empty:
                if time.monotonic() < due_s:
                    self._fold_whatever_comes()
                    continue
                request = Request(is_wished=False)
            self.serve(request)
            due_s = time.monotonic() + self._write_s
            if request.stop:
                return

    def _fold_whatever_comes(self) -> None:
        """Fold; the thread must outlive whatever callers left."""
        try:
            self.folding.fold()
        except Exception as error:  # noqa: BLE001
            self.folding.note(error)

    def _end(self) -> None:
        """Count what is not delivered for ever, and let go of the sink."""
        points, lost = self.folding.rollups.shed_all()
        if points:
            self.dropped[CLOSED] += lost
            _log.warning("closed with %d points (%d outcomes) not written", points, lost)
        try:
            with self._writing:
                self._sink.close()
        except Exception as error:  # noqa: BLE001 - there is nobody left who could act on it
            self.folding.note(error)

    def write(self) -> bool:
        """Write what has changed; says whether all of it is delivered."""
        try:
            points = self.folding.points()
            number = len(points)
            if not number:
                return True
            with self._writing:
                self._sink.write(points)
        except Exception as error:  # noqa: BLE001 - a sink may fail as it likes; it is tried again
            self._keep(error)
            return False
        self.counts["delivered"] += self.folding.settle()
        self.counts["points_delivered"] += number
        if self._forwarding is not None:
            self.folding.rollups.leave(self._forwarding.newest_dropped_ns())
        if self.in_trouble:
            self.in_trouble = False
            _log.info("the store is written again")
        return True

    def _keep(self, error: Exception) -> None:
        """Keep what could not be written, within bounds; say so when the trouble begins."""
        self.counts["failed_writes"] += 1
        self.folding.note(error)
        points, lost = self.folding.rollups.shed(self._max_backlog)
        if points:
            self.dropped[BACKLOG_FULL] += lost
        if not self.in_trouble:
            self.in_trouble = True
            _log.warning("the store can't be written; counts are kept in memory: %s", error)
