"""Store: what was recorded, as totals that somebody else may have summed. Only read, never changed.

The pages need no more than this protocol; each kind of store has a reader of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Totals:
    """The summed fields of one group: one phase, variant, service that answered, language, day.

    `fields` are named as in `hooks.schema`, those of `inference_light` and the bins of
    `inference_latency` together. `day` is a day of UTC; `served` differs from `variant` after a
    fallback.
    """

    phase: str
    variant: str
    served: str
    task_type: str
    language: str
    day: date
    fields: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much one variant of an experiment had in one phase, without its latencies.

    `first_ns` and `last_ns` lie within the first and the last window that holds something.
    """

    experiment: str
    phase: str
    variant: str
    task_type: str
    exposures: int
    requests: int
    errors: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A period in which split and targeting did not change; the texts are JSON as recorded."""

    experiment: str
    phase: str
    first_seen_ns: int
    weights: str
    metadata: str
    definition: str
    bucketing: str


class Store(Protocol):
    """Reads what was recorded; safe to use from many threads. Each method raises StoreError."""

    def traffic(self, experiment: str | None = None) -> tuple[Traffic, ...]:
        """Give the traffic of all experiments, or of one, by phase and variant."""

    def totals(self, experiment: str) -> tuple[Totals, ...]:
        """Give the totals of one experiment, all there are; () for an unknown one."""

    def phases(self, experiment: str | None = None) -> tuple[Phase, ...]:
        """Give the phases of all experiments, or of one, the oldest first."""

    def close(self) -> None:
        """Let go of connections."""
