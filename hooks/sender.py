"""Sender: one thread that delivers what the outbox holds, and never gives up on it.

A process's points of one window are one row of the spool at its newest value, and one request is
under way at a time; after one that got no answer, and may be stored late, the newest value is sent
once more: so an older value never stays where there was a newer one.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from openfeature_triton.hooks.breath import with_breaths
from openfeature_triton.hooks.dead_letters import DeadLetters
from openfeature_triton.hooks.influx_writer import Answer, InfluxWriter, Verdict
from openfeature_triton.hooks.late import mark_lines
from openfeature_triton.hooks.outbox import Outbox
from openfeature_triton.hooks.patience import LONE_S, Patience
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.spool import Backlog, Spool, Spooled
from openfeature_triton.hooks.spool_file import ForeignSpoolError

_log = logging.getLogger(__name__)

BATCH = 2000
"""Points in one request, at most."""

_LOOK_S = 0.25
_ADOPT_S = 15.0
_RETRY_S = 0.1

DEAD_LETTERS_LOST = "dead_letters_lost"


class _NotNowError(Exception):
    """The answer says that nothing can be delivered at present."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


class Sender:
    """Delivers to InfluxDB: what is newest and what is oldest by turns, then raw points.

    Args:
        outbox: what there is to deliver.
        settings: how often.
        influx: where.
        say_health: called now and then, and with True before the end.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: RecorderSettings,
        influx: InfluxSettings,
        say_health: Callable[[bool], None],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.last_error = ""
        self.backlog = Backlog()
        self.thread: threading.Thread | None = None
        self._outbox = outbox
        self._flush_s = settings.flush_s
        self._influx = influx
        self._say_health = say_health
        self._writer = InfluxWriter(influx)
        self._dead_letters = DeadLetters(outbox.folder)
        self._wake: SimpleQueue[Request] = SimpleQueue()
        self._closing: Request | None = None
        self._patience = Patience(influx)
        self._adopt_s = min(_ADOPT_S, influx.doubt_s)
        self._adopted_s = -_ADOPT_S

    @property
    def state(self) -> str:
        """`delivering`, or what is the matter."""
        return self._patience.state

    def start(self) -> None:
        """Start the thread; RuntimeError where the interpreter can start none (any more)."""
        thread = threading.Thread(target=self._run, name="openfeature-triton-sender", daemon=True)
        thread.start()
        self.thread = thread

    def ask(self, request: Request) -> None:
        """Hand a wish to deliver all to the thread, or serve it here if there is none."""
        if request.stop:
            self._closing = request
        if self.thread is not None and self.thread.is_alive():
            self._wake.put(request)
        else:
            self._serve(request)

    def _run(self) -> None:
        patience = self._patience
        while True:
            with suppress(Empty):
                request = self._wake.get(timeout=min(_LOOK_S, patience.left_s))
                self._serve(request)
                if request.stop:
                    return
            if patience.asks_for_a_lone_point():
                patience.note_lone_point(taken=self._deliver_lone_point())
            if patience.is_over():
                self._deliver_all()
                self._tell(ended=False)

    def _tell(self, *, ended: bool) -> None:
        try:
            self._say_health(ended)
        except Exception as error:  # noqa: BLE001 - the thread must outlive it
            self.last_error = f"{type(error).__name__}: {error}"

    def _serve(self, request: Request) -> None:
        """Deliver all, trying again until the request's deadline."""
        try:
            while (
                not self._deliver_all(request) and time.monotonic() + _RETRY_S < request.deadline_s
            ):
                if not request.stop and self._closing is not None:
                    break
                time.sleep(_RETRY_S)
            request.delivered = self.backlog.points == 0
            if request.stop:
                self._outbox.rescue()
                self.backlog = self._outbox.backlog()
                self._tell(ended=True)
                self._writer.close()
                self._outbox.close()
        finally:
            request.done.set()

    def _deliver_all(self, request: Request | None = None) -> bool:
        """Deliver what there is; says whether nobody stood in the way."""
        try:
            self._deliver_own(request)
            if request is None and time.monotonic() >= self._adopted_s + self._adopt_s:
                self._deliver_adopted()
                self._adopted_s = time.monotonic()
        except _NotNowError as error:
            self._put_off(error.answer)
            return False
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever the disk does
            self._put_off(Answer(Verdict.LATER, message=f"{type(error).__name__}: {error}"))
            return False
        finally:
            self.backlog = self._outbox.backlog()
        self._patience.rest(self._flush_s)
        return True

    def _deliver_lone_point(self) -> bool:
        """Try with one point; says whether it was taken."""
        try:
            for raw in (False, True):
                points, spool = self._outbox.take(1, raw=raw, newest=True)
                if points:
                    self._send(points, spool, Request(LONE_S))
                    return True
        except _NotNowError:
            self.counts["failed_requests"] += 1
        except Exception as error:  # noqa: BLE001 - as above
            self.last_error = f"{type(error).__name__}: {error}"
        return False

    def _deliver_own(self, request: Request | None) -> None:
        """Deliver as many points as wait now; those that come meanwhile have the next time."""
        left, sent = self._outbox.backlog().points, 1
        while sent and not (request is None and self._closing is not None):
            sent = 0
            for raw, newest in ((False, True), (False, False), (True, False)):
                points, spool = self._outbox.take(BATCH, raw=raw, newest=newest)
                if points:
                    self._send(points, spool, request)
                    sent += len(points)
            left -= sent
            if left <= 0:
                return

    def _deliver_adopted(self) -> None:
        """Deliver what processes left that have ended, with their own identity."""
        for claim, spool in self._outbox.adopt():
            try:
                self._outbox.doubt_adopted(claim, spool)
                for raw in (False, True):
                    while points := self._take(spool, raw=raw):
                        if self._closing is not None:
                            return
                        self.counts["adopted"] += self._send(points, spool, None)
                self._outbox.leave(claim, spool)
            except ForeignSpoolError as error:
                self._outbox.put_aside(claim, error)
            except (sqlite3.Error, OSError) as error:
                self.last_error = f"{claim.path.name}: {type(error).__name__}: {error}"

    def _take(self, spool: Spool, *, raw: bool) -> list[Spooled]:
        with self._outbox.lock:
            return spool.take(BATCH, raw=raw)

    def _send(self, points: Sequence[Spooled], spool: Spool, request: Request | None) -> int:
        """Deliver points of one kind; gives how many outcomes they stood for.

        Where some are refused, halving finds out which.
        """
        raw = points[0].raw
        bucket = self._influx.raw_bucket if raw else self._influx.bucket
        lines = [line for point in with_breaths(points) if (line := point.line)]
        if not raw:
            lines += mark_lines(lines, time.time_ns())
        answer = self._write(bucket, lines, request)
        if answer.verdict is Verdict.STORED:
            outcomes = self._outbox.settle(points, spool) + self._supersede(points)
            self.counts["delivered"] += outcomes
            self.counts["raw_delivered" if raw else "points_delivered"] += len(points)
            return outcomes
        if answer.verdict is not Verdict.REFUSED:
            if answer.is_doubtful:
                self._outbox.doubt(points, spool)
            raise _NotNowError(answer)
        if len(points) == 1 or answer.dropped == len(points):
            return self._bury(points, spool, answer)
        middle = len(points) // 2
        return sum(self._send(half, spool, request) for half in (points[:middle], points[middle:]))

    def _write(self, bucket: str, lines: Sequence[str], request: Request | None) -> Answer:
        if not lines:
            return Answer(Verdict.STORED)
        self.counts["requests"] += 1
        deadline_s = time.monotonic() + self._influx.deadline_s
        for asked in (request, self._closing):
            if asked is not None and asked.deadline_s < deadline_s:
                deadline_s = asked.deadline_s
        return self._writer.write(bucket, lines, deadline_s - time.monotonic())

    def _bury(self, points: Sequence[Spooled], spool: Spool, answer: Answer) -> int:
        """Keep what will never be taken where somebody can look at it."""
        outcomes = sum(point.outcomes for point in points)
        self.counts["dead_letters"] += len(points)
        self.counts["dead_lettered"] += outcomes
        self.last_error = f"{answer.status}: {answer.message}"
        if self.counts["dead_letters"] == len(points):
            _log.warning("InfluxDB refuses points (%s); see: store dead-letters list", answer)
        try:
            with self._outbox.lock:
                lost = self._dead_letters.add(points, answer.status, answer.message)
        except (sqlite3.Error, OSError) as error:
            self.last_error = f"{type(error).__name__}: {error}"
            lost = len(points)
        if lost:
            self.dropped[DEAD_LETTERS_LOST] += lost
        self._outbox.settle(points, spool)
        return outcomes

    def _supersede(self, points: Sequence[Spooled]) -> int:
        """Take back from dead letters what is stored by now; gives their outcomes."""
        try:
            with self._outbox.lock:
                letters, outcomes = self._dead_letters.supersede(points)
        except (sqlite3.Error, OSError) as error:
            self.last_error = f"{type(error).__name__}: {error}"
            return 0
        for name, number in (("dead_letters", letters), ("dead_lettered", outcomes)):
            self.counts[name] -= min(number, self.counts[name])  # some may be of another process
        return outcomes

    def _put_off(self, answer: Answer) -> None:
        """Take note of trouble."""
        self.counts["failed_requests"] += 1
        self.last_error = f"{answer.status or 'no answer'}: {answer.message}"
        self._patience.put_off(answer)
