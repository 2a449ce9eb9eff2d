"""Worker: the background thread of one process, and what it works on.

It drains the inboxes into rollups, and writes what has changed. All that it counts is its own, so
it takes no lock that a caller could hold.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from openfeature_triton.hooks import outcomes, schema
from openfeature_triton.hooks.breath import SLICE, breathe, with_breaths
from openfeature_triton.hooks.inbox import Inbox
from openfeature_triton.hooks.metrics import Units, merged_units, number
from openfeature_triton.hooks.outcomes import Outcome
from openfeature_triton.hooks.raw_points import RawPoints
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.rollups import Rollups
from openfeature_triton.hooks.series import (
    OTHER,
    Evaluation,
    Series,
    fit_evaluation,
    fit_series,
)
from openfeature_triton.hooks.settings import RecorderSettings
from openfeature_triton.hooks.sink import Forwarding, Point, Sink, Tags

_log = logging.getLogger(__name__)

_DRAIN_S = 0.25
_SLICE = 4096  # outcomes folded at once: under a millisecond of the interpreter's lock
_RETRY_S = 0.1
_PAUSE_S = 2.0
_MAX_PHASES = 1000
_MAX_CREDITS = 16_384

BACKLOG_FULL = "backlog_full"
INTERNAL_ERROR = "internal_error"
BAD_DURATION = "bad_duration"
CLOSED = "closed"


class Worker:
    """Adds up and writes what callers leave in its inboxes.

    Args:
        sink: where points go.
        settings: widths, intervals and bounds.
        clock_ns: the wall clock, in ns since 1970.
    """

    def __init__(self, sink: Sink, settings: RecorderSettings, clock_ns: Callable[[], int]) -> None:
        units = merged_units(settings.metrics)
        bounds = settings.max_series, settings.max_pending
        self.outcomes: Inbox[Series, Outcome] = Inbox(_fit(units), _COARSER_SERIES, *bounds)
        self.exposures: Inbox[Series, None] = Inbox(_fit(units), _COARSER_SERIES, *bounds)
        self.evaluations: Inbox[Evaluation, object] = Inbox(
            fit_evaluation, _COARSER_EVALUATIONS, *bounds
        )
        self.phases: deque[Point] = deque(maxlen=_MAX_PHASES)
        self.credits: deque[tuple[Series, Mapping[str, object]]] = deque()
        self.dropped: Counter[str] = Counter()
        self.refused_metrics: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.last_error = ""
        self.thread: threading.Thread | None = None
        self._sink = sink
        self._forwarding = sink if isinstance(sink, Forwarding) else None
        self._settings = settings
        self._write_s = settings.flush_s if self._forwarding is None else settings.spool_s
        self._units = units
        self._fit = _fit(units)
        self._clock_ns = clock_ns
        self._rollups = Rollups(_widths_ns(settings), secrets.randbelow)
        self._new_phases: dict[Tags, Point] = {}
        self._raw_points: list[Point] = []
        has_raw = self._forwarding is not None and settings.raw_points
        self._raw = RawPoints(settings.raw_per_s, time.monotonic) if has_raw else None
        self._wake: SimpleQueue[Request] = SimpleQueue()
        self._retired_ns = clock_ns()
        self._in_trouble = False
        self._writing = threading.RLock()
        self._pauses: dict[int, bool] = {}

    @property
    def inboxes(self) -> tuple[Inbox[Any, Any], ...]:
        """All inboxes."""
        return self.outcomes, self.exposures, self.evaluations

    @property
    def credits_full(self) -> bool:
        """Whether no more credits can be taken before some are folded."""
        return len(self.credits) >= _MAX_CREDITS

    @property
    def backlog_points(self) -> int:
        """How many points are held in memory, present windows among them."""
        return len(self._rollups) + len(self._new_phases)

    @property
    def raw_left_out(self) -> int:
        """How many outcomes the cap on raw points left no room for."""
        return self._raw.left_out if self._raw is not None else 0

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
            request.delivered = self._rollups.is_settled and not self._new_phases
            if request.stop:
                self._end()
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
                request = self._wake.get(timeout=wait_s)
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
            self.fold()
        except Exception as error:  # noqa: BLE001
            self._note(error)

    def _end(self) -> None:
        """Count what is not delivered for ever, and let go of the sink."""
        points, lost = self._rollups.shed_all()
        if points:
            self.dropped[CLOSED] += lost
            _log.warning("closed with %d points (%d outcomes) not written", points, lost)
        try:
            with self._writing:
                self._sink.close()
        except Exception as error:  # noqa: BLE001 - there is nobody left who could act on it
            self._note(error)

    def fold(self) -> None:
        """Add what waits to the present windows."""
        now_ns = self._clock_ns()
        self._rollups.turn_to(now_ns)
        for series, waiting in self.exposures.drain(_SLICE):
            self._add(schema.LIGHT, series, {schema.EXPOSURES: float(len(waiting))})
            self.counts["exposures"] += len(waiting)
        for evaluation, durations_us in self.evaluations.drain(_SLICE):
            self._fold_evaluations(evaluation, durations_us)
        self._fold_outcomes()
        self._fold_credits()
        while self.phases:
            point = self.phases.popleft()
            self._new_phases.setdefault(point.tags, point)
        if abs(now_ns - self._retired_ns) >= self._settings.window_s * 1e9:
            self._retired_ns = now_ns
            for inbox in self.inboxes:
                inbox.retire()

    def _fold_credits(self) -> None:
        """Add the metrics of requests that were counted before to the series of those."""
        for _ in range(len(self.credits)):
            given, metrics = self.credits.popleft()
            series = self._fit(given)
            increments, refused = outcomes.credited(series, metrics, self._units)
            self._add(schema.LIGHT, series, increments)
            self.refused_metrics.update(refused)

    def _fold_outcomes(self) -> None:
        """Fold what waits in slices over many series, which numpy takes in one go."""
        batches: list[tuple[Series, list[Outcome]]] = []
        size = 0
        for series, waiting in self.outcomes.drain(_SLICE):
            if size + len(waiting) > _SLICE or len(batches) == SLICE:
                self._fold_slice(batches, size)
                batches, size = [], 0
                breathe()
            batches.append((series, waiting))
            size += len(waiting)
        self._fold_slice(batches, size)

    def _fold_slice(self, batches: Sequence[tuple[Series, list[Outcome]]], size: int) -> None:
        if not batches:
            return
        try:
            folded = outcomes.fold(batches, self._units)
        except Exception as error:  # noqa: BLE001 - a foreign object in an outcome may do anything
            self._note(error)
            self.dropped[INTERNAL_ERROR] += size
            return
        for (series, waiting), light, latency, by_user in with_breaths(
            zip(batches, folded.light, folded.latency, folded.clusters, strict=True)
        ):
            self._add(schema.LIGHT, series, light)
            self._add(schema.LATENCY, series, latency)
            if by_user:
                tags = tuple((tag, getattr(series, tag)) for tag in schema.CLUSTER_TAGS)
                self._rollups.add(schema.CLUSTERS, tags, by_user)
            if self._raw is not None:
                declared = self._units.get(series.task_type, {})
                self._raw_points += self._raw.make(series, waiting, declared, self._clock_ns())
        self.counts["recorded"] += size - folded.refused.total()
        self.dropped.update(folded.refused)
        self.refused_metrics.update(folded.refused_metrics)

    def _fold_evaluations(self, evaluation: Evaluation, durations_us: Sequence[object]) -> None:
        checked = [number(duration_us) for duration_us in durations_us]
        good = [value for value in checked if not isinstance(value, str) and value >= 0]
        increments = {schema.COUNT: float(len(durations_us)), schema.DURATION_SUM: sum(good)}
        if evaluation.error_code:
            increments[schema.EVALUATION_ERRORS] = float(len(durations_us))
        self._add(schema.EVALUATION, evaluation, increments)
        self.counts["evaluations"] += len(durations_us)
        if len(good) < len(durations_us):
            self.dropped[BAD_DURATION] += len(durations_us) - len(good)

    def _add(
        self, measurement: str, key: Series | Evaluation, increments: outcomes.Increments
    ) -> None:
        tags = tuple(zip(key._fields, key, strict=True))
        self._rollups.add(measurement, tags, increments)

    def write(self) -> bool:
        """Write what has changed; says whether all of it is delivered."""
        points = [
            *self._new_phases.values(),
            *with_breaths(self._rollups.changed()),
            *self._raw_points,
        ]
        if not points:
            return True
        try:
            with self._writing:
                self._sink.write(points)
        except Exception as error:  # noqa: BLE001 - a sink may fail as it likes; it is tried again
            self._keep(error)
            return False
        self._new_phases.clear()
        self._raw_points.clear()
        self.counts["delivered"] += self._rollups.settle()
        self.counts["points_delivered"] += len(points)
        if self._in_trouble:
            self._in_trouble = False
            _log.info("the store is written again")
        return True

    def _keep(self, error: Exception) -> None:
        """Keep what could not be written, within bounds; say so when the trouble begins."""
        self.counts["failed_writes"] += 1
        self._note(error)
        points, lost = self._rollups.shed(self._settings.max_backlog)
        if points:
            self.dropped[BACKLOG_FULL] += lost
        if not self._in_trouble:
            self._in_trouble = True
            _log.warning("the store can't be written; counts are kept in memory: %s", error)

    def _note(self, error: Exception) -> None:
        self.last_error = f"{type(error).__name__}: {error}"[:500]


def _widths_ns(settings: RecorderSettings) -> dict[str, int]:
    light_ns, latency_ns = int(settings.window_s * 1e9), int(settings.latency_window_s * 1e9)
    return {
        schema.LIGHT: light_ns,
        schema.LATENCY: latency_ns,
        schema.CLUSTERS: latency_ns,
        schema.EVALUATION: light_ns,
    }


def _fit(units: Units) -> Callable[[Series], Series]:
    task_types = frozenset(units)
    return lambda series: fit_series(series, task_types)


_COARSER_SERIES: tuple[Callable[[Series], Series], ...] = (
    lambda series: series._replace(language=OTHER),
    lambda series: Series(*([OTHER] * len(series))),
)
_COARSER_EVALUATIONS: tuple[Callable[[Evaluation], Evaluation], ...] = (
    lambda evaluation: evaluation._replace(variant=OTHER),
    lambda evaluation: Evaluation(*([OTHER] * len(evaluation))),
)
