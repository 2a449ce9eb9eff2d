"""Events of `watch`: what it found or did, told once each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PAUSED = "paused"
WOULD_PAUSE = "would_pause"
PAUSE_FAILED = "pause_failed"
BROKEN = "broken"
STALE = "stale"
STORE_AWAY = "store_away"
FLAGS_UNREADABLE = "flags_unreadable"
NOT_JUDGED = "not_judged"

_COULD_NOT_LOOK = (STORE_AWAY, FLAGS_UNREADABLE, NOT_JUDGED)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody should know: its kind, about which experiment, in words and numbers.

    `experiment` is empty where it is about all of them.
    """

    kind: str
    experiment: str
    time: datetime
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give it as values that JSON can hold."""
        return {
            "event": self.kind,
            "experiment": self.experiment,
            "time": self.time.isoformat(timespec="seconds"),
            "text": self.text,
            "numbers": dict(self.numbers),
        }


def exit_code(events: Iterable[Event]) -> int:
    """Give 0 where nothing was found, 1 where something was, 2 where one could not look."""
    kinds = {each.kind for each in events}
    return 2 if kinds & set(_COULD_NOT_LOOK) else 1 if kinds else 0


class Told:
    """Remembers what was told, so that each event is told once as long as it lasts."""

    def __init__(self) -> None:
        self._lasting: frozenset[tuple[str, str]] = frozenset()

    def fresh(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Give those of the present events that were not there at the last look."""
        present = tuple(events)
        before, self._lasting = self._lasting, frozenset(map(_what, present))
        if exit_code(present) == 2:
            self._lasting |= before  # what can't be seen just now may last
        return tuple(each for each in present if each.kind == PAUSED or _what(each) not in before)


def _what(event: Event) -> tuple[str, str]:
    return event.kind, event.experiment
