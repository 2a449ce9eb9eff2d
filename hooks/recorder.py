"""Recorder: takes what happened from the request's path, and is gone.

The caller pays for one tuple appended to a queue: no lock, no formatting, no I/O. A background
thread, started with the first tuple, adds up and writes. Nothing that a caller hands over can
raise here; what can't be counted is refused, and counted by reason.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.hooks import process, tracking
from openfeature_triton.hooks.inbox import Inbox, K, Queue, T
from openfeature_triton.hooks.metrics import MAX_METRICS, TOO_MANY
from openfeature_triton.hooks.outcomes import Outcome
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.series import Evaluation, Series
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.sink import Delivery, Forwarding, Sink
from openfeature_triton.hooks.stats import RecorderStats, Tally
from openfeature_triton.hooks.worker import CLOSED, Worker

_STEP_S = 0.05
_MERGE_EVERY_S = 3600.0

BAD_SERIES = "bad_series"
BAD_EVENT = "bad_event"
QUEUE_FULL = "queue_full"
NOT_A_MAPPING = "not_a_mapping"
"""Reasons why something was refused at the call."""


class Recorder:
    """Counts exposures, outcomes and evaluations, and writes the counts to a sink.

    Args:
        sink: where the counts go; it is closed with the recorder.
        settings: read from the environment (`OFT_…`) if not given.
        clock_ns: the wall clock, in ns since 1970.

    What is pending is written every `flush_s`, by `close`, at the normal end of the process, and
    on SIGTERM where the main thread makes the recorder and nobody else handles that signal. After
    a fork the child starts empty, as a writer of its own.
    """

    def __init__(
        self,
        sink: Sink,
        settings: RecorderSettings | None = None,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._sink = sink
        self._forwards = isinstance(sink, Forwarding)
        self._settings = settings or RecorderSettings()
        self._clock_ns = clock_ns
        self._closing: Request | None = None
        self._begin()
        if isinstance(sink, Forwarding):
            sink.watch(self.stats)
        process.watch_forks(self)
        self._sigterm = process.watch_sigterm(self) if self._settings.on_sigterm else None

    @classmethod
    def open(
        cls, settings: RecorderSettings | None = None, influx: InfluxSettings | None = None
    ) -> Recorder:
        """Record into InfluxDB where the settings name one, else into the SQL store.

        InfluxDB need not be there: what it has not taken yet is spooled. The SQL store is made if
        there is none; StoreError if it can't be used.

        Args:
            settings: how is recorded; read from the environment (`OFT_…`) if not given.
            influx: where InfluxDB is; read from the environment (`OFT_INFLUX_…`) if not given.
        """
        settings, influx = settings or RecorderSettings(), influx or InfluxSettings()
        if influx.url:
            from openfeature_triton.hooks.forwarding import ForwardingSink  # noqa: PLC0415 - as below

            return cls(ForwardingSink(settings, influx), settings)
        from openfeature_triton.hooks.sql_sink import SqlSink  # noqa: PLC0415 - for this sink alone

        merge_every_s = _MERGE_EVERY_S if settings.merge_days else None
        return cls(SqlSink(settings.store, merge_every_s=merge_every_s), settings)

    def _begin(self) -> None:
        """Start empty: nothing that another process or thread may hold is kept."""
        self._lock = threading.RLock()
        self._dropped = Tally()
        self._refused_metrics = Tally()
        self._ignored_events = Tally()
        self._worker = Worker(self._sink, self._settings, self._clock_ns)
        self._exposures = self._worker.exposures.queues
        self._outcomes = self._worker.outcomes.queues
        self._evaluations = self._worker.evaluations.queues

    def before_fork(self) -> None:
        """Wait, within bounds, until nothing is being written."""
        self._worker.pause()

    def after_fork_in_parent(self) -> None:
        """Go on writing."""
        self._worker.resume()

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is the parent's."""
        if isinstance(self._sink, Forwarding):
            self._sink.after_fork_in_child()
        self._begin()
        if self._closing is not None:
            self._turn_away()
            self._closing = Request(stop=True)
            self._closing.delivered = True
            self._closing.done.set()

    def expose(self, series: Series) -> None:
        """Count that a targeting key was sent to a variant."""
        try:
            queue = self._exposures.get(series)
            if queue is None:
                queue = self._open(self._worker.exposures, series)
            if len(queue) < queue.room or self._worker.exposures.grant(queue):
                queue.append(None)
            else:
                self._dropped.count(QUEUE_FULL)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def record(
        self,
        series: Series,
        latency_ms: float,
        error_class: str = "",
        metrics: Mapping[str, float] | None = None,
        targeting_key: str | None = None,
    ) -> None:
        """Count what an inference did.

        Args:
            series: whose outcome it is.
            latency_ms: from the monotonic clock.
            error_class: one of `schema.ERROR_CLASSES`, or empty for success.
            metrics: custom metrics that are declared for the series' task type.
            targeting_key: the user, where the experiment's unit is the user; else None.
        """
        try:
            queue = self._outcomes[series]
            if metrics is not None:
                metrics = self._copy(metrics)
            if len(queue) < queue.room:
                queue.append((latency_ms, error_class, metrics, targeting_key))
            else:
                self._append(queue, (latency_ms, error_class, metrics, targeting_key))
        except KeyError:
            self._record_first(series, latency_ms, error_class, metrics, targeting_key)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def _record_first(
        self,
        series: Series,
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float] | None,
        targeting_key: str | None,
    ) -> None:
        """Count the first outcome of a series, which has no queue yet."""
        try:
            queue = self._outcomes.get(series)
            if queue is None:
                queue = self._open(self._worker.outcomes, series)
            copied = self._copy(metrics) if metrics is not None else None
            self._append(queue, (latency_ms, error_class, copied, targeting_key))
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def _append(self, queue: Queue[Outcome], outcome: Outcome) -> None:
        """Append to a queue that may be full."""
        if len(queue) < queue.room or self._worker.outcomes.grant(queue):
            queue.append(outcome)
        else:
            self._dropped.count(QUEUE_FULL)

    def evaluated(
        self, experiment: str, variant: str, reason: str, error_code: str, duration_us: float
    ) -> None:
        """Count a flag evaluation; `variant` and `error_code` may be empty."""
        try:
            evaluation = Evaluation(experiment, variant, reason, error_code)
            queue = self._evaluations.get(evaluation)
            if queue is None:
                queue = self._open(self._worker.evaluations, evaluation)
            if len(queue) < queue.room or self._worker.evaluations.grant(queue):
                queue.append(duration_us)
            else:
                self._dropped.count(QUEUE_FULL)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def track(
        self,
        event_name: str,
        context: EvaluationContext | None = None,
        details: TrackingEventDetails | None = None,
    ) -> None:
        """Take an OpenFeature tracking event: `inference`, `credit`, `experiment_phase`; or not.

        Give it to a provider: `TritonProvider(…, on_track=recorder.track)`.
        """
        try:
            if event_name == tracking.INFERENCE:
                self.record(*tracking.inference(context, details))
            elif event_name == tracking.EXPERIMENT_PHASE:
                self._track_phase(details)
            elif event_name == tracking.CREDIT:
                self._credit(*tracking.credit(details))
            else:
                self._ignored_events.count("unknown_event")
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_EVENT)

    def refused(self, reason: str) -> None:
        """Count what a caller that works for the recorder could not hand over."""
        self._dropped.count(reason)

    def _credit(self, series: Series, metrics: Mapping[str, object]) -> None:
        """Take metrics of a request that is counted already."""
        if self._closing is not None:
            raise _ClosedError
        self._start()
        if self._worker.credits_full:
            self._dropped.count(QUEUE_FULL)
        else:
            self._worker.credits.append((series, metrics))

    def _track_phase(self, details: TrackingEventDetails | None) -> None:
        point = tracking.phase(details, self._clock_ns())
        if self._closing is not None:
            raise _ClosedError
        self._start()
        self._worker.phases.append(point)

    def _open(self, inbox: Inbox[K, T], key: K) -> Queue[T]:
        """Give the queue of a key that is new; start the thread if this is the first."""
        if self._closing is not None:
            raise _ClosedError
        if not isinstance(key, tuple):
            raise TypeError(f"{type(key).__name__} is no series")
        queue = inbox.open(key)
        self._start()
        return queue

    def _copy(self, metrics: Any) -> Mapping[str, float] | None:
        """Give a copy, as the caller may go on to change its own; None if it can't be taken."""
        if type(metrics) is not dict and not isinstance(metrics, Mapping):
            self._refused_metrics.count(NOT_A_MAPPING)
        elif len(metrics) > MAX_METRICS:
            self._refused_metrics.count(TOO_MANY)
        elif metrics:
            return dict(metrics)
        return None

    def _refuse(self, error: Exception, reason: str) -> None:
        self._dropped.count(CLOSED if isinstance(error, _ClosedError) else reason)

    def _start(self) -> bool:
        """Start the background thread if there is none; says whether there is one."""
        worker = self._worker
        if worker.thread is not None:
            return True
        with self._lock:
            try:
                if worker.thread is None:
                    worker.start()
                    process.watch_exit(self)
            except RuntimeError:  # no more threads: `flush` and `close` do its work
                return False
        return True

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Write all that was handed over before; says whether the sink has it.

        A sink that fails is tried again until the time is up.
        """
        if self._closing is not None:
            return self._wait(self._closing, timeout_s)
        if self._worker.thread is None and not self._pending():
            return True
        request = Request(timeout_s)
        self._submit(request)
        return self._wait(request, timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is pending and end the thread; says whether the sink has all.

        What is handed over afterwards is dropped and counted. May be called again, to wait longer.
        """
        with self._lock:
            first = self._closing is None
            if self._closing is None:
                self._closing = Request(timeout_s, stop=True)
                self._turn_away()
        if first:
            self._submit(self._closing)
            process.forget_exit(self)
            if self._sigterm is not None:
                self._sigterm.uninstall()
        return self._wait(self._closing, timeout_s)

    def end(self) -> bool:
        """Close within the time that the settings give the end of the process."""
        return self.close(self._settings.close_s)

    def stats(self) -> RecorderStats:
        """Give the counts of this process."""
        worker = self._worker
        counts, waiting = Counter(worker.counts), worker.outcomes.pending
        dropped = self._dropped.counts() + Counter(worker.dropped)
        if self._closing is not None and self._closing.done.is_set():
            dropped[CLOSED] += waiting  # came between the last look and the end
            waiting = 0
        if isinstance(self._sink, Forwarding):
            delivery = self._sink.delivery()
        else:
            delivery = Delivery(counts["delivered"], points_delivered=counts["points_delivered"])
        return RecorderStats(
            accepted=counts["recorded"] + waiting,
            recorded=counts["recorded"],
            delivered=delivery.delivered - delivery.adopted,
            exposures=counts["exposures"],
            evaluations=counts["evaluations"],
            points_delivered=delivery.points_delivered,
            backlog_points=worker.backlog_points,
            dropped=dict(+(dropped + Counter(delivery.dropped))),
            refused_metrics=dict(self._refused_metrics.counts() + Counter(worker.refused_metrics)),
            collapsed=sum(inbox.collapsed for inbox in worker.inboxes),
            ignored_events=self._ignored_events.counts().total(),
            raw_left_out=worker.raw_left_out,
            failed_writes=counts["failed_writes"],
            last_error=worker.last_error or delivery.last_error,
            delivery=delivery,
        )

    def _turn_away(self) -> None:
        """Let callers find no queue from now on."""
        self._exposures, self._outcomes, self._evaluations = {}, {}, {}

    def _pending(self) -> int:
        worker = self._worker
        waiting = len(worker.phases) + len(worker.credits)
        return sum(inbox.pending for inbox in worker.inboxes) + waiting

    def _submit(self, request: Request) -> None:
        if self._worker.thread is not None and self._worker.thread.is_alive():
            self._worker.ask(request)
        else:
            self._worker.serve(request)

    def _wait(self, request: Request, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        thread = self._worker.thread
        while not request.done.wait(min(_STEP_S, max(deadline_s - time.monotonic(), 0))):
            is_at_work = thread is not None and thread.is_alive()
            if time.monotonic() >= deadline_s or not (is_at_work or self._forwards):
                break
        if request.stop and thread is not None and thread is not threading.current_thread():
            thread.join(max(deadline_s - time.monotonic(), 0))
        return request.done.is_set() and request.delivered


class _ClosedError(Exception):
    """The recorder was closed."""
