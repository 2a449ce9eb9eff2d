"""Recorder: the life of what takes outcomes: opened, flushed, forked, closed.

A background thread, started with the first outcome, adds up and writes what the calls of `Intake`
left behind.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable

from openfeature_triton.hooks import process
from openfeature_triton.hooks.health import SUFFIX, say_health
from openfeature_triton.hooks.intake import CLOSED, Intake
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.sink import NOT_WRITTEN, Delivery, Forwarding, Sink
from openfeature_triton.hooks.stats import RecorderStats
from openfeature_triton.hooks.worker import Worker

_STEP_S = 0.05
_MERGE_EVERY_S = 3600.0


class Recorder(Intake):
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
        self._wall_ns = clock_ns
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
        self._worker = Worker(self._sink, self._settings, self._wall_ns, self._say_health)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._take_in(self._worker.inboxes, self._wall_ns)

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
        if self._worker.thread is None and not self._inboxes.pending:
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
        worker, folding = self._worker, self._worker.folding
        counts, waiting = Counter(worker.counts), self._inboxes.outcomes_pending
        dropped = self._dropped.counts() + Counter(worker.dropped)
        if self._closing is not None and self._closing.done.is_set():
            dropped[CLOSED] += waiting  # came between the last look and the end
            waiting = 0
        if isinstance(self._sink, Forwarding):
            delivery = self._sink.delivery()
        else:
            delivery = Delivery(
                counts["delivered"],
                points_delivered=counts["points_delivered"],
                state=NOT_WRITTEN if worker.in_trouble else "",
            )
        return RecorderStats(
            accepted=counts["recorded"] + waiting,
            recorded=counts["recorded"],
            delivered=delivery.delivered - delivery.adopted,
            exposures=counts["exposures"],
            evaluations=counts["evaluations"],
            points_delivered=delivery.points_delivered,
            backlog_points=worker.backlog_points,
            dropped=dict(+(dropped + Counter(delivery.dropped))),
            refused_metrics=dict(self._refused_metrics.counts() + Counter(folding.refused_metrics)),
            collapsed=self._inboxes.collapsed,
            ignored_events=self._ignored_events.counts().total(),
            breakers=dict(self._breakers),
            raw_left_out=folding.raw_left_out,
            failed_writes=counts["failed_writes"],
            last_error=folding.last_error or delivery.last_error,
            delivery=delivery,
        )

    def _say_health(self, ended: bool) -> None:
        """Tell how this process does where a spool is meant to be; a forwarding sink does so."""
        folder = self._settings.spool
        is_meant = "spool" in self._settings.model_fields_set or folder.is_dir()
        if is_meant and not self._forwards:
            say_health(folder / f"{self._name}{SUFFIX}", self.stats(), ended=ended)

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
