"""Shipped: a concluded experiment, now a plain flag that sends what it took to the winner.

Its metadata says `"experiment": false`, `"status": "completed"`, and which variant was `shipped`.
Services that ask by task type are sent there, too; nothing is counted any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openfeature_triton.flagd_config.dates import read_seconds
from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.experiment import read_services
from openfeature_triton.flagd_config.frozen_dict import FrozenDict

COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Shipped:
    """One concluded experiment, without a phase, as nothing of it is recorded.

    `concluded` is when, in seconds since 1970, 0 if nobody says.
    """

    key: str
    state: str
    task_type: str
    winner: str
    services: Mapping[str, str]
    concluded: int = 0
    phase = ""

    @property
    def enabled(self) -> bool:
        """Whether the flag's state is ENABLED."""
        return self.state == "ENABLED"


def read_shipped(key: str, flag: Mapping[str, Any]) -> Shipped | None:
    """Read the concluded experiment that a flag is; None for any other flag."""
    said = flag.get("metadata") or {}
    winner, task_type = said.get("shipped"), said.get("task_type")
    if said.get("experiment") is not False or said.get("status") != COMPLETED:
        return None
    if not isinstance(winner, str) or not isinstance(task_type, str) or not task_type:
        return None
    if winner not in flag["variants"]:
        return None
    try:
        services = read_services(flag["variants"], Place(""))
    except FlagFileError:
        return None
    concluded = read_seconds(said.get("concluded")) or 0
    return Shipped(key, flag["state"], task_type, winner, FrozenDict(services), concluded)


def in_order_of_end(found: Iterable[Shipped]) -> dict[str, Shipped]:
    """Give them by key, the last concluded first: it began where the ones before it ended."""
    ordered = sorted(found, key=lambda each: (each.task_type, -each.concluded, each.key))
    return {each.key: each for each in ordered}
