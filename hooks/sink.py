"""Sink: where points go. One of the two seams of this folder; the other is the recorder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openfeature_triton.hooks.request import Request

if TYPE_CHECKING:
    from openfeature_triton.hooks.stats import RecorderStats

NOT_WRITTEN = "not_written"
"""The state of a delivery to a database that can't be written now."""

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


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of points that were handed to a forwarding sink; outcomes where not said."""

    delivered: int = 0
    adopted: int = 0
    """Of those delivered, the ones that processes left behind that have ended."""
    spooled: int = 0
    spooled_points: int = 0
    points_delivered: int = 0
    raw_delivered: int = 0
    dead_lettered: int = 0
    dead_letters: int = 0
    oldest_s: float | None = None
    """When the oldest point came that still waits, in seconds since 1970."""
    in_doubt: int = 0
    """Points, of those delivered, that are sent once more (see `spool`)."""
    requests: int = 0
    failed_requests: int = 0
    disk_errors: int = 0
    set_aside: int = 0
    """Spool files that held something else."""
    is_on_disk: bool = True
    dropped: Mapping[str, int] = field(default_factory=dict)
    state: str = ""
    last_error: str = ""


class Sink(Protocol):
    """Takes points; `write` is called from one thread at a time, and may be called after a fork."""

    def write(self, points: Collection[Point]) -> None:
        """Store all points or raise; whoever calls writes them again, so a repeat is no harm.

        They may be made anew each time that they are gone through.
        """

    def close(self) -> None:
        """Let go of connections; never raises."""


@runtime_checkable
class Forwarding(Sink, Protocol):
    """A sink that keeps points on disk and delivers them by a thread of its own."""

    def ask(self, request: Request) -> None:
        """Deliver all, and let the request know; returns at once."""

    def newest_dropped_ns(self) -> int:
        """Give the newest time of the windows that were dropped since this was last asked, or 0."""

    def delivery(self) -> Delivery:
        """Say what became of the points."""

    def watch(self, stats: Callable[[], RecorderStats]) -> None:
        """Take whose counts the health file tells."""

    def before_fork(self) -> None:
        """Let nothing be half-done while the process forks."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Begin anew, as a writer of its own."""
