"""Pipeline: what became of outcomes on their way to the store, and how evaluation goes.

Each recording process says how it does in a file of its own beside its spool; the dashboard sees
those of the spool folders it can read. Evaluations come from the store, from all processes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from openfeature_triton.dashboard.definitions import Flags
from openfeature_triton.dashboard.processes import Process, processes
from openfeature_triton.dashboard.store import Evaluations, Store, read_evaluations
from openfeature_triton.hooks.dead_letters import FILE_NAME, DeadLetters


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many dead letters have one reason, and how many outcomes they stood for."""

    reason: str
    points: int
    outcomes: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the page of the pipeline shows. `own` counts what this dashboard took by tracking.

    `flags_refused` says of each flag that is no good why.
    """

    processes: tuple[Process, ...]
    refusals: tuple[Refusal, ...]
    evaluations: tuple[Evaluations, ...]
    own: Mapping[str, int]
    flags: str
    flags_problem: str
    flags_experiments: int | None
    flags_refused: tuple[str, ...]
    bucketing: str
    spool: str

    @property
    def breakers(self) -> Mapping[str, tuple[str, ...]]:
        """Which processes leave each failing service alone, by service."""
        found: dict[str, list[str]] = {}
        for process in self.processes:
            for service_id in process.breakers:
                found.setdefault(service_id, []).append(process.name)
        return {service_id: tuple(names) for service_id, names in sorted(found.items())}

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
        processes=processes(spool, now),
        refusals=_refusals(spool),
        evaluations=read_evaluations(store),
        own=dict(own),
        flags=flags.source,
        flags_problem=flags.problem,
        flags_experiments=None if flags.experiments is None else len(flags.experiments),
        flags_refused=tuple(flags.refused.values()),
        bucketing=bucketing,
        spool=str(spool),
    )


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
