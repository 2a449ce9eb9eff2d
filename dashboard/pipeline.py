"""Pipeline: what became of outcomes on their way to the store, and how evaluation goes.

Each recording process says how it does in a file of its own beside its spool; the dashboard sees
those of the spool folders it can read. Evaluations come from the store, from all processes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.dashboard.definitions import Flags
from openfeature_triton.dashboard.store import Evaluations, Store
from openfeature_triton.hooks.dead_letters import FILE_NAME, DeadLetters
from openfeature_triton.hooks.health import read_health

_LAST_S = 9_223_200_000
SILENT_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Process:
    """One recording process, as it last said; counts are of outcomes. `state` is in plain words."""

    name: str
    seen: datetime
    state: str
    is_fine: bool
    accepted: int
    delivered: int
    spooled: int
    dropped: Mapping[str, int]
    dead_lettered: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many dead letters have one reason, and how many outcomes they stood for."""

    reason: str
    points: int
    outcomes: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the page of the pipeline shows. `own` counts what this dashboard took by tracking."""

    processes: tuple[Process, ...]
    refusals: tuple[Refusal, ...]
    evaluations: tuple[Evaluations, ...]
    own: Mapping[str, int]
    flags: str
    flags_problem: str
    flags_experiments: int | None
    bucketing: str
    spool: str

    @property
    def troubles(self) -> int:
        """How many processes are not fine."""
        return sum(not each.is_fine for each in self.processes)


def look(
    store: Store,
    flags: Flags,
    spool: Path,
    *,
    bucketing: str,
    own: Mapping[str, int],
    now: datetime,
) -> Pipeline:
    """Look at all that can be seen from here. StoreError if the store can't be read."""
    return Pipeline(
        processes=tuple(_process(said, now) for said in read_health(spool)),
        refusals=_refusals(spool),
        evaluations=store.evaluations(),
        own=dict(own),
        flags=flags.source,
        flags_problem=flags.problem,
        flags_experiments=None if flags.experiments is None else len(flags.experiments),
        bucketing=bucketing,
        spool=str(spool),
    )


def _process(said: Mapping[str, Any], now: datetime) -> Process:
    """Whoever wrote the file, its values may be anything."""
    delivery = _mapping(said.get("delivery"))
    dropped = {
        str(reason): _count(count)
        for source in (said.get("dropped"), delivery.get("dropped"))
        for reason, count in _mapping(source).items()
    }
    seen = datetime.fromtimestamp(min(max(said["at_s"], 0), _LAST_S), timezone.utc)
    error = str(delivery.get("last_error") or said.get("last_error") or "")
    state, is_fine = _state(said, delivery, seen, now)
    return Process(
        name=f"{said.get('host', '')}, process {said.get('pid', '')}",
        seen=seen,
        state=state,
        is_fine=is_fine and not any(dropped.values()),
        accepted=_count(said.get("accepted")),
        delivered=_count(delivery.get("delivered") or said.get("delivered")),
        spooled=_count(delivery.get("spooled")),
        dropped={reason: count for reason, count in dropped.items() if count},
        dead_lettered=_count(delivery.get("dead_lettered")),
        last_error=error[:300],
    )


def _state(
    said: Mapping[str, Any], delivery: Mapping[str, Any], seen: datetime, now: datetime
) -> tuple[str, bool]:
    if said.get("ended"):
        return "ended", True
    if now - seen > SILENT_AFTER:
        return "silent", False
    state = str(delivery.get("state") or "")
    is_fine = not delivery.get("dead_lettered") and bool(delivery.get("is_on_disk", True))
    return state or "recording", is_fine and state in ("", "ok", "fine", "delivering")


def _refusals(spool: Path) -> tuple[Refusal, ...]:
    if not (spool / FILE_NAME).exists():
        return ()
    groups: dict[str, list[int]] = {}
    try:
        for letter in DeadLetters(spool).all():
            groups.setdefault(letter.reason, []).append(letter.outcomes)
    except sqlite3.Error as error:
        return (Refusal(f"the dead letters can't be read: {error}", 0, 0),)
    return tuple(
        sorted(
            (Refusal(reason, len(each), sum(each)) for reason, each in groups.items()),
            key=lambda refusal: -refusal.outcomes,
        )
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0  # noqa: PLR0124 - NaN
