"""Stats: what the recorder says of itself."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from openfeature_triton.hooks.sink import Delivery


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """Counts since the process, or its fork, began to record. A moment's view while it runs.

    Each outcome that was handed over is `accepted` or in `dropped`; each accepted one is
    `recorded` once it is added up, or in `dropped`; each recorded one is `delivered` once the
    store holds it.
    """

    accepted: int
    recorded: int
    delivered: int
    exposures: int
    evaluations: int
    points_delivered: int
    backlog_points: int
    dropped: Mapping[str, int]
    """What was not counted, by reason."""
    refused_metrics: Mapping[str, int]
    """Custom metrics that were left out of an outcome, by reason."""
    collapsed: int
    """How much was counted under `other` because there were too many series."""
    ignored_events: int
    """Tracking events that mean nothing to the recorder."""
    breakers: Mapping[str, str]
    """The state of each service's circuit breaker that is not closed, as the provider said."""
    raw_left_out: int
    """Outcomes, counted all the same, that the cap on raw points left no room for."""
    failed_writes: int
    last_error: str
    delivery: Delivery
    """What became of the points on their way to InfluxDB."""


class Tally:
    """Counts by reason that callers raise, off their usual path.

    Nobody waits for anybody: the next number of an `itertools.count` is one step under the
    interpreter's lock. So a signal handler may count amid the code that it interrupted, and where
    very much is dropped, threads that count don't queue up for a lock.
    """

    def __init__(self) -> None:
        self._counters: dict[str, itertools.count[int]] = {}

    def count(self, reason: str) -> None:
        """Raise one count."""
        counter = self._counters.get(reason)
        if counter is None:
            counter = self._counters.setdefault(reason, itertools.count())
        next(counter)

    def counts(self) -> Counter[str]:
        """Give a copy of all counts. A counter tells how far it is only by its text."""
        return Counter(
            {
                reason: int(repr(counter).removeprefix("count(").removesuffix(")"))
                for reason, counter in self._counters.copy().items()
            }
        )
