"""Losses: outcomes that recording processes had to drop, or that InfluxDB refused for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from openfeature_triton.dashboard.processes import Process


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of the outcomes of all experiments together, as `processes` processes said.

    `dropped` is by reason; `dead_lettered` were refused by InfluxDB, `spooled` wait to be sent.
    """

    processes: int
    accepted: int
    dropped: Mapping[str, int]
    dead_lettered: int
    spooled: int


def add_up(processes: Iterable[Process], since: datetime | None) -> Losses | None:
    """Add up what processes said since a time; None where no process can be seen from here."""
    told = [each for each in processes if since is None or each.seen >= since]
    if not told:
        return None
    dropped: Counter[str] = Counter()
    for each in told:
        dropped.update(each.dropped)
    return Losses(
        processes=len(told),
        accepted=sum(each.accepted for each in told),
        dropped=dict(dropped.most_common()),
        dead_lettered=sum(each.dead_lettered for each in told),
        spooled=sum(each.spooled for each in told),
    )
