"""Processes: what each recording process last said, in a file of its own beside its spool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.hooks.health import read_health

SILENT_AFTER = timedelta(minutes=2)
_LAST_S = 9_223_200_000


@dataclass(frozen=True, slots=True)
class Process:
    """One recording process, as it last said; counts are of outcomes. `state` is in plain words.

    `breakers` are the services that it leaves alone for a while since they fail, with the state of
    their circuit breakers.
    """

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
    breakers: Mapping[str, str]


def processes(spool: Path, now: datetime) -> tuple[Process, ...]:
    """Give the processes of a spool folder, the one last heard of first."""
    return tuple(_process(said, now) for said in read_health(spool))


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
    left_alone = {} if said.get("ended") else _mapping(said.get("breakers"))
    breakers = {str(service_id): str(state) for service_id, state in left_alone.items()}
    state, is_fine = _state(said, delivery, seen, now)
    return Process(
        name=f"{said.get('host', '')}, process {said.get('pid', '')}",
        seen=seen,
        state=state,
        is_fine=is_fine and not any(dropped.values()) and not breakers,
        accepted=_count(said.get("accepted")),
        delivered=_count(delivery.get("delivered") or said.get("delivered")),
        spooled=_count(delivery.get("spooled")),
        dropped={reason: count for reason, count in dropped.items() if count},
        dead_lettered=_count(delivery.get("dead_lettered")),
        last_error=error[:300],
        breakers=breakers,
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


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0  # noqa: PLR0124 - NaN
