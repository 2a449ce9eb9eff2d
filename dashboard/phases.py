"""Phases: the periods of an experiment, each with its split against its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from typing import TypeVar

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.definitions import Definition, read_weights
from openfeature_triton.dashboard.phase_changes import Change, phase_changes
from openfeature_triton.dashboard.store import Phase, Traffic
from openfeature_triton.dashboard.summary import Share

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Split:
    """Who got how much, and of what (`exposures`; `requests` where nothing counts exposures)."""

    unit: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """A phase with its split and its traffic; `first_seen` is None if nothing says when.

    `changes` are since the phase before it; None where either's definition is not known.
    """

    phase: str
    first_seen: datetime | None
    split: Split
    requests: int
    errors: int
    is_current: bool
    changes: tuple[Change, ...] | None


def phase_lines(
    definition: Definition, traffic: Sequence[Traffic], phases: Sequence[Phase]
) -> tuple[PhaseLine, ...]:
    """Give an experiment's phases, the newest first; one that only the flag has counts as that."""
    began_ns = _began_ns(traffic, phases)
    order = sorted(began_ns, key=lambda phase: -began_ns[phase])
    current = definition.phase or next(iter(order), "")
    if current and current not in began_ns:
        order.insert(0, current)
    weights = {each.phase: read_weights(each) for each in phases}
    weights[definition.phase] = dict(definition.weights or {})
    changes = _changes(definition, phases, order)
    lines = []
    for phase in order:
        own = [each for each in traffic if each.phase == phase]
        line = PhaseLine(
            phase=phase,
            first_seen=moment(began_ns[phase]) if phase in began_ns else None,
            split=_split(definition, own, weights.get(phase, {})),
            requests=sum(each.requests for each in own),
            errors=sum(each.errors for each in own),
            is_current=phase == current,
            changes=changes.get(phase),
        )
        lines.append(line)
    return tuple(lines)


def in_order(definition: Definition, by_variant: Mapping[str, T]) -> dict[str, T]:
    """Sort by variant: the control first, then as the flag has them, then by name."""
    known = (definition.control, *(definition.services or {}), *(definition.weights or {}))
    order = dict.fromkeys((*known, *sorted(by_variant)))
    return {variant: by_variant[variant] for variant in order if variant in by_variant}


def moment(time_ns: int) -> datetime:
    """Give a stored time as a time of UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc)


def _began_ns(traffic: Sequence[Traffic], phases: Sequence[Phase]) -> dict[str, int]:
    """When each phase was first seen, or where nobody said so, had its first traffic."""
    began_ns = {each.phase: each.first_seen_ns for each in phases}
    for each in sorted(traffic, key=lambda each: each.first_ns):
        began_ns.setdefault(each.phase, each.first_ns)
    return began_ns


def _changes(
    definition: Definition, phases: Sequence[Phase], order: Sequence[str]
) -> dict[str, tuple[Change, ...]]:
    """Give what changed with each phase that follows another, the newest first in `order`."""
    known = {each.phase: each for each in phases if each.definition}
    if definition.text and definition.phase not in known:
        known[definition.phase] = _as_phase(definition)
    return {
        after: phase_changes(known[before], known[after])
        for after, before in pairwise(order)
        if before in known and after in known
    }


def _as_phase(definition: Definition) -> Phase:
    """The flag file's phase, of which nothing was recorded yet."""
    weights, metadata = (
        json.dumps(dict(each or {})) for each in (definition.weights, definition.metadata)
    )
    return Phase(definition.key, definition.phase, 0, weights, metadata, definition.text, "")


def _split(definition: Definition, traffic: Sequence[Traffic], weights: Mapping[str, int]) -> Split:
    """Exposures say who was sent where; a service without the hook has only its requests."""
    has_exposures = any(each.exposures for each in traffic)
    counts: dict[str, int] = {}
    for each in traffic:
        count = each.exposures if has_exposures else each.requests
        counts[each.variant] = counts.get(each.variant, 0) + count
    unit = "exposures" if has_exposures or not traffic else "requests"
    return Split(
        unit, summary.split(in_order(definition, counts), in_order(definition, dict(weights)))
    )
