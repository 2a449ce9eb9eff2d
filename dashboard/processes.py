"""Processes: what each recording process last said, in a file of its own beside its spool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.hooks.health import read_health
from openfeature_triton.hooks.sink import NOT_WRITTEN

SILENT_AFTER = timedelta(minutes=2)
_LAST_S = 9_223_200_000
_FINE = ("", "ok", "fine", "delivering")
_STATES = {
    "later": "waiting: InfluxDB asks to come later",
    "unreachable": "waiting: InfluxDB does not answer",
    NOT_WRITTEN: "waiting: the database can’t be written",
    "not_allowed": "waiting: InfluxDB refuses the token or the bucket",
}


@dataclass(frozen=True, slots=True)
class Process:
    """One recording process, as it last said; counts are of outcomes. `state` is in plain words.

    `in_doubt` are points that were delivered, but that InfluxDB may still store an older value
    over: that of a request it never answered. They are sent once more when that is over. `breakers`
    are the services that it leaves alone for a while since they fail, with the state of their
    circuit breakers.
    """

    host: str
    pid: str
    seen: datetime
    state: str
    is_fine: bool
    accepted: int
    delivered: int
    spooled: int
    in_doubt: int
    dropped: Mapping[str, int]
    dead_lettered: int
    last_error: str
    breakers: Mapping[str, str]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.host}, process {self.pid}"


def processes(spool: Path, now: datetime) -> tuple[Process, ...]:
    """Give the processes of a spool folder, the one last heard of first."""
    return tuple(_process(said, now) for said in read_health(spool))


def _process(said: Mapping[str, Any], now: datetime) -> Process:
    """Whoever wrote the file, its values may be anything."""
    delivery = _mapping(said.get("delivery"))
    dropped = {str(reason): _count(n) for reason, n in _mapping(said.get("dropped")).items()}
    seen = datetime.fromtimestamp(min(max(_count(said["at_s"]), 0), _LAST_S), timezone.utc)
    error = str(delivery.get("last_error") or said.get("last_error") or "")
    left_alone = {} if said.get("ended") else _mapping(said.get("breakers"))
    process = Process(
        host=str(said.get("host", "")),
        pid=str(said.get("pid", "")),
        seen=seen,
        state="ended" if said.get("ended") else "delivering" if delivery else "recording",
        is_fine=True,
        accepted=_count(said.get("accepted")),
        delivered=_count(delivery.get("delivered") or said.get("delivered")),
        spooled=_count(delivery.get("spooled")),
        in_doubt=_count(delivery.get("in_doubt")),
        dropped={reason: count for reason, count in dropped.items() if count},
        dead_lettered=_count(delivery.get("dead_lettered")),
        last_error=error[:300],
        breakers={str(service_id): str(state) for service_id, state in left_alone.items()},
    )
    trouble = _trouble(process, delivery, now)
    return replace(process, state=trouble, is_fine=False) if trouble else process


def _trouble(process: Process, delivery: Mapping[str, Any], now: datetime) -> str:
    """Say what is worst about a process; empty where nothing is."""
    has_ended, state = process.state == "ended", str(delivery.get("state") or "")
    if not has_ended and now - process.seen > SILENT_AFTER:
        return "silent"
    if not has_ended and state not in _FINE:
        return _STATES.get(state, state)
    if not has_ended and not delivery.get("is_on_disk", True):
        return "spools in memory: its disk fails"
    lost = [
        words
        for count, words in (
            (process.dead_lettered, "InfluxDB refused some"),
            (sum(process.dropped.values()), "dropped some"),
            (len(process.breakers), "leaves a service alone"),
        )
        if count
    ]
    return ", ".join((["ended"] if has_ended and lost else []) + lost[:1])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
