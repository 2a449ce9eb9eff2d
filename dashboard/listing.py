"""Listing: all experiments at a glance, what needs attention first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from openfeature_triton.dashboard.definitions import Definition, Flags, define
from openfeature_triton.dashboard.phases import PhaseLine, Split, moment, phase_lines
from openfeature_triton.dashboard.statistics import Verdict
from openfeature_triton.dashboard.statistics.verdict import BROKEN, END, REVIEW, SHIP, STOP
from openfeature_triton.dashboard.store import (
    PHASES,
    Phase,
    Query,
    Store,
    Traffic,
    traffic_of,
    traffic_queries,
)
from openfeature_triton.dashboard.verdicts import Question, Verdicts

P = TypeVar("P", Phase, Traffic)

_ATTENTION = (BROKEN, STOP, SHIP, REVIEW, END)


@dataclass(frozen=True, slots=True)
class Line:
    """An experiment as the list shows it. `split` is of the phase that is shown as current.

    `verdict` is None in a report, whose `analysis` has it, and where there can be none.
    """

    definition: Definition
    verdict: Verdict | None
    split: Split
    exposures: int
    requests: int
    errors: int
    error_rate: float | None
    first_seen: datetime | None
    last_seen: datetime | None


def list_experiments(
    store: Store, flags: Flags, now: datetime, verdicts: Verdicts
) -> tuple[Line, ...]:
    """Give all experiments of the store and of the flag file; what needs attention comes first."""
    seen, counts, every = store.read(*traffic_queries(), Query(PHASES))
    traffic = _by_experiment(traffic_of(seen, counts))
    phases = _by_experiment(every)
    questions = [
        Question(
            define(key, flags, phases.get(key, ()), now),
            traffic.get(key, ()),
            phases.get(key, ()),
            now,
        )
        for key in dict.fromkeys((*flags.keys, *phases, *traffic))
    ]
    lines = [
        replace(_line(each), verdict=verdict)
        for each, verdict in zip(questions, verdicts.of(questions), strict=True)
    ]
    return tuple(
        sorted(
            lines, key=lambda line: (_rank(line), -_seconds(line.last_seen), line.definition.key)
        )
    )


def line_of(
    definition: Definition, traffic: Sequence[Traffic], phases: Sequence[PhaseLine], now: datetime
) -> Line:
    """Give an experiment's line, without its verdict."""
    requests = sum(each.requests for each in traffic)
    errors = sum(each.errors for each in traffic)
    task_type = definition.task_type or next((each.task_type for each in traffic), "")
    return Line(
        definition=replace(definition, task_type=task_type),
        verdict=None,
        split=next((each.split for each in phases if each.is_current), Split("exposures", ())),
        exposures=sum(each.exposures for each in traffic),
        requests=requests,
        errors=errors,
        error_rate=errors / requests if requests else None,
        first_seen=_seen((each.first_ns for each in traffic), min, now),
        last_seen=_seen((each.last_ns for each in traffic), max, now),
    )


def _line(asked: Question) -> Line:
    definition, traffic = asked.definition, asked.traffic
    return line_of(definition, traffic, phase_lines(definition, traffic, asked.phases), asked.now)


def _by_experiment(found: Iterable[P]) -> dict[str, list[P]]:
    groups: dict[str, list[P]] = {}
    for each in found:
        groups.setdefault(each.experiment, []).append(each)
    return groups


def _seen(
    times_ns: Iterable[int], pick: Callable[[Sequence[int]], int], now: datetime
) -> datetime | None:
    """A time in a window is its start plus its writer's offset: it may lie a bit ahead of now."""
    times = tuple(times_ns)
    return min(moment(pick(times)), now) if times else None


def _rank(line: Line) -> int:
    """Running experiments come first, those to act on before those to wait for."""
    if line.definition.status == "invalid":
        return 0
    if line.definition.status != "running":
        return len(_ATTENTION) + 1
    kind = line.verdict.kind if line.verdict is not None else ""
    return _ATTENTION.index(kind) if kind in _ATTENTION else len(_ATTENTION)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time is not None else 0.0
