"""Sink: where points go. One of the two seams of this folder; the other is the recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """Fields of one series at one time: running totals of a window, or a phase's definition.

    Two points of the same measurement, tags and time are the same point: the later one's fields
    replace the earlier one's.
    """

    measurement: str
    tags: Tags
    time_ns: int
    fields: Mapping[str, float | int | str]
    outcomes: int = 0
    """How many outcomes it stands for that were not in what was last written of it."""


class Sink(Protocol):
    """Takes points; `write` is called from one thread at a time, and may be called after a fork."""

    def write(self, points: Sequence[Point]) -> None:
        """Store all points or raise; whoever calls writes them again, so a repeat is no harm."""

    def close(self) -> None:
        """Let go of connections; never raises."""
