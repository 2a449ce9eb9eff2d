"""Intake: takes outcomes from services in languages for which there is no provider of ours.

Best effort: an outcome is handed to a recorder of this process, as a service's own would be, and
what can't be counted is counted as that. Other languages' SDKs know no phases: where an outcome
names none, it is of the phase that the flag file is in.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from openfeature.track import TrackingEventDetails
from pydantic import BaseModel, ConfigDict, Field

from openfeature_triton.dashboard.definitions import Flags
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.hooks.recorder import Recorder
from openfeature_triton.hooks.series import MAX_TAG_LENGTH, Series
from openfeature_triton.hooks.tracking import EXPERIMENT_PHASE

MAX_OUTCOMES = 1000
MAX_BYTES = 2 * 2**20
MAX_KEY_LENGTH = 1024

Tag = Annotated[str, Field(max_length=MAX_TAG_LENGTH)]
ErrorClass = Literal[
    "",
    "timeout",
    "unreachable",
    "unauthorised",
    "invalid_request",
    "server_error",
    "cancelled",
    "other",
]


class TrackedOutcome(BaseModel):
    """What one inference did."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    experiment: Annotated[str, Field(min_length=1, max_length=MAX_TAG_LENGTH)] = Field(
        description="the flag's key"
    )
    variant: Annotated[str, Field(min_length=1, max_length=MAX_TAG_LENGTH)] = Field(
        description="the variant that the flag gave"
    )
    phase: Tag = Field(
        default="",
        description="`phase` of the flag's metadata, where the provider gives one; "
        "left out, the present phase of the dashboard's flag file",
    )
    targeting_key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)] | None = Field(
        default=None,
        repr=False,
        description="the user, where the experiment's unit is the user: "
        "counted in one of 128 buckets, and never kept",
    )
    served: Tag = Field(default="", description="the variant that answered, if it was another one")
    task_type: Tag = Field(
        default="", description="asr, nmt, tts, ocr, ner or one that is declared"
    )
    language: Tag = Field(default="", description="a BCP 47 tag")
    latency_ms: float = Field(ge=0, le=1e9, description="how long it took, from a monotonic clock")
    error_class: ErrorClass = Field(default="", description="empty for success")
    metrics: Mapping[str, float] = Field(
        default={}, max_length=32, description="custom metrics that are declared for the task type"
    )
    exposed: bool = Field(default=False, description="count it as an exposure, too")


class Batch(BaseModel):
    """Outcomes, all of which are taken, or none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    outcomes: Annotated[list[TrackedOutcome], Field(min_length=1, max_length=MAX_OUTCOMES)]


class Intake:
    """Hands outcomes to a recorder, which is opened with the first.

    Args:
        open_recorder: makes the recorder. StoreError if it can't.
        flags: gives the flag file's flags of now.
    """

    def __init__(self, open_recorder: Callable[[], Recorder], flags: Callable[[], Flags]) -> None:
        self._open_recorder = open_recorder
        self._flags = flags
        self._told: set[tuple[str, str]] = set()
        self._recorder: Recorder | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, batch: Batch) -> None:
        """Record each outcome. StoreError if the store can't be opened."""
        recorder, experiments = self._opened(), self._flags().experiments or {}
        for each in batch.outcomes:
            known = experiments.get(each.experiment)
            if known is not None and not each.phase:
                self._tell_phase(recorder, known)
            series = _series(each, known)
            if each.exposed:
                recorder.expose(series)
            user = each.targeting_key if known is None or known.unit == "user" else None
            metrics = each.metrics or None
            recorder.record(series, each.latency_ms, each.error_class, metrics, user)
        self.count("tracked", len(batch.outcomes))

    def _tell_phase(self, recorder: Recorder, experiment: Experiment) -> None:
        """Record what a phase is, once, as no provider of ours may do so."""
        phase = experiment.key, experiment.phase
        with self._lock:
            is_new = phase not in self._told
            self._told.add(phase)
        if is_new:
            details = TrackingEventDetails(attributes=dict(experiment.phase_record()))
            recorder.track(EXPERIMENT_PHASE, None, details)

    def count(self, what: str, amount: int = 1) -> None:
        """Raise one of the counts that `stats` gives."""
        with self._lock:
            self._counts[what] += amount

    def stats(self) -> dict[str, int]:
        """Give what was taken and refused, by reason, and what the recorder made of it."""
        with self._lock:
            counts = {f"track_{name}": count for name, count in sorted(self._counts.items())}
        if self._recorder is None:
            return counts
        stats = self._recorder.stats()
        return {
            **counts,
            "track_delivered": stats.delivered,
            "track_dropped": sum(stats.dropped.values()),
            "track_refused_metrics": sum(stats.refused_metrics.values()),
        }

    def flush(self) -> bool:
        """Write what was taken; says whether the store has it."""
        return self._recorder is None or self._recorder.flush()

    def close(self) -> None:
        """Write what is pending, within the recorder's time."""
        if self._recorder is not None:
            self._recorder.close()

    def _opened(self) -> Recorder:
        with self._lock:
            if self._recorder is None:
                self._recorder = self._open_recorder()
            return self._recorder


def _series(outcome: TrackedOutcome, known: Experiment | None) -> Series:
    return Series(
        outcome.experiment,
        outcome.phase or (known.phase if known is not None else ""),
        outcome.variant,
        outcome.served or outcome.variant,
        outcome.task_type,
        outcome.language,
    )
