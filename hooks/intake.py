"""Intake: the calls on the request's path. What happened is left in an inbox, and that is all.

The caller pays for one append to a queue: no lock, no formatting, no I/O; where a good part of
what may wait does, one call in a thousand lets others run. Nothing that a caller hands over can
raise here; what can't be counted is refused, and counted by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.hooks import tracking
from openfeature_triton.hooks.inbox import Inbox, K, Queue, T
from openfeature_triton.hooks.inboxes import Inboxes
from openfeature_triton.hooks.metrics import MAX_METRICS, TOO_MANY
from openfeature_triton.hooks.series import Evaluation, Series
from openfeature_triton.hooks.stats import Tally

BAD_SERIES = "bad_series"
BAD_EVENT = "bad_event"
QUEUE_FULL = "queue_full"
CLOSED = "closed"
NOT_A_MAPPING = "not_a_mapping"
"""Reasons why something was refused at the call."""

MAX_BREAKERS = 1000
"""How many breakers that are not closed are remembered."""


class Intake:
    """Takes exposures, outcomes and evaluations, from any thread and from signal handlers."""

    def _take_in(self, inboxes: Inboxes, clock_ns: Callable[[], int]) -> None:
        """Begin, or begin anew: what is handed over from now on is left in these inboxes."""
        self._dropped = Tally()
        self._refused_metrics = Tally()
        self._ignored_events = Tally()
        self._breakers: dict[str, str] = {}
        self._is_closed = False
        self._inboxes = inboxes
        self._clock_ns = clock_ns
        self._exposures = inboxes.exposures.queues
        self._successes = inboxes.successes.queues
        self._outcomes = inboxes.outcomes.queues
        self._evaluations = inboxes.evaluations.queues

    def _turn_away(self) -> None:
        """Let callers find no queue from now on."""
        self._is_closed = True
        self._exposures, self._successes, self._outcomes, self._evaluations = {}, {}, {}, {}

    def _start(self) -> object:
        """See to it that somebody looks into the inboxes."""
        raise NotImplementedError

    def expose(self, series: Series) -> None:
        """Count that a targeting key was sent to a variant."""
        try:
            queue = self._exposures.get(series)
            if queue is None:
                queue = self._open(self._inboxes.exposures, series)
            if len(queue) < queue.room:
                queue.append(None)
            else:
                self._append(self._inboxes.exposures, queue, None)
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
            if (
                metrics is None
                and targeting_key is None
                and error_class == ""
                and type(latency_ms) is float
            ):
                queue = self._successes.get(series)
                if queue is None:
                    queue = self._open(self._inboxes.successes, series)
                if len(queue) < queue.room:
                    queue.append(latency_ms)
                else:
                    self._append(self._inboxes.successes, queue, latency_ms)
            else:
                self._record_more(series, latency_ms, error_class, metrics, targeting_key)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def _record_more(
        self,
        series: Series,
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float] | None,
        targeting_key: str | None,
    ) -> None:
        """Count an outcome of which there is more to tell than a latency."""
        queue = self._outcomes.get(series)
        if queue is None:
            queue = self._open(self._inboxes.outcomes, series)
        if metrics is not None:
            metrics = self._copy(metrics)
        outcome = (latency_ms, error_class, metrics, targeting_key)
        if len(queue) < queue.room:
            queue.append(outcome)
        else:
            self._append(self._inboxes.outcomes, queue, outcome)

    def evaluated(
        self, experiment: str, variant: str, reason: str, error_code: str, duration_us: float
    ) -> None:
        """Count a flag evaluation; `variant` and `error_code` may be empty."""
        self.count_evaluation(Evaluation(experiment, variant, reason, error_code), duration_us)

    def count_evaluation(self, evaluation: Evaluation, duration_us: float) -> None:
        """Count a flag evaluation that ended so."""
        try:
            queue = self._evaluations.get(evaluation)
            if queue is None:
                queue = self._open(self._inboxes.evaluations, evaluation)
            if len(queue) < queue.room:
                queue.append(duration_us)
            else:
                self._append(self._inboxes.evaluations, queue, duration_us)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_SERIES)

    def track(
        self,
        event_name: str,
        context: EvaluationContext | None = None,
        details: TrackingEventDetails | None = None,
    ) -> None:
        """Take a tracking event: `inference`, `credit`, `experiment_phase`, `breaker`; or not.

        Give it to a provider: `TritonProvider(…, on_track=recorder.track)`.
        """
        try:
            if event_name == tracking.INFERENCE:
                self.record(*tracking.inference(context, details))
            elif event_name == tracking.EXPERIMENT_PHASE:
                self._track_phase(details)
            elif event_name == tracking.CREDIT:
                self._credit(*tracking.credit(details))
            elif event_name == tracking.BREAKER:
                self._note_breaker(*tracking.breaker(details))
            else:
                self._ignored_events.count("unknown_event")
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_EVENT)

    def track_inference(
        self,
        named: tuple[str, str, str, str, str, str],
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float],
        targeting_key: str | None,
    ) -> None:
        """Take what an `inference` event says without the event; `named` is its series.

        `TritonProvider` calls it for a request's outcome where it was given `track`.
        """
        series = cast("Series", named)  # a tuple is found like the series that equals it
        try:
            if metrics or error_class or targeting_key is not None:
                self._record_more(series, latency_ms, error_class, metrics, targeting_key)
            else:
                self.record(series, latency_ms)
        except Exception as error:  # noqa: BLE001 - whatever it was given, the request goes on
            self._refuse(error, BAD_EVENT)

    def refused(self, reason: str) -> None:
        """Count what a caller that works for the recorder could not hand over."""
        self._dropped.count(reason)

    def _note_breaker(self, service_id: str, state: str) -> None:
        """Remember each breaker that is not closed, for whoever asks how it goes."""
        if state == tracking.CLOSED_BREAKER:
            self._breakers.pop(service_id, None)
        elif len(self._breakers) < MAX_BREAKERS:
            self._breakers[service_id] = state

    def _credit(self, series: Series, metrics: Mapping[str, object]) -> None:
        """Take metrics of a request that is counted already."""
        if self._is_closed:
            raise _ClosedError
        self._start()
        if self._inboxes.credits_full:
            self._dropped.count(QUEUE_FULL)
        else:
            self._inboxes.credits.append((series, metrics))

    def _track_phase(self, details: TrackingEventDetails | None) -> None:
        point = tracking.phase(details, self._clock_ns())
        if self._is_closed:
            raise _ClosedError
        self._start()
        self._inboxes.phases.append(point)

    def _open(self, inbox: Inbox[K, T], key: K) -> Queue[T]:
        """Give the queue of a key that is new."""
        if self._is_closed:
            raise _ClosedError
        if not isinstance(key, tuple):
            raise TypeError(f"{type(key).__name__} is no series")
        queue = inbox.open(key)
        self._start()
        return queue

    def _append(self, inbox: Inbox[K, T], queue: Queue[T], thing: T) -> None:
        """Append to a queue that may be full."""
        if len(queue) < queue.room or inbox.grant(queue):
            queue.append(thing)
        else:
            self._dropped.count(QUEUE_FULL)

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


class _ClosedError(Exception):
    """The recorder was closed."""
