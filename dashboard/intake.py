"""Intake: takes outcomes from services in languages for which there is no provider of ours.

Best effort: an outcome is handed to a recorder of this process, as a service's own would be, and
what can't be counted is counted as that.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from openfeature_triton.hooks.recorder import Recorder
from openfeature_triton.hooks.series import MAX_TAG_LENGTH, Series

MAX_OUTCOMES = 1000
MAX_BYTES = 2 * 2**20

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
    phase: Tag = Field(default="", description="`phase` of the flag's metadata, as evaluated")
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
    """

    def __init__(self, open_recorder: Callable[[], Recorder]) -> None:
        self._open_recorder = open_recorder
        self._recorder: Recorder | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, batch: Batch) -> None:
        """Record each outcome. StoreError if the store can't be opened."""
        recorder = self._opened()
        for each in batch.outcomes:
            series = Series(
                each.experiment,
                each.phase,
                each.variant,
                each.served or each.variant,
                each.task_type,
                each.language,
            )
            if each.exposed:
                recorder.expose(series)
            recorder.record(series, each.latency_ms, each.error_class, each.metrics or None)
        self.count("tracked", len(batch.outcomes))

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
