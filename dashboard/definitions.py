"""Definitions: what an experiment is, from the flag file, or from what was recorded of its phases.

The flag file is other people's, and changes while the dashboard runs: it is looked at for each
page, and one that can't be read costs the page its status, not its numbers. A bad flag costs only
itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from openfeature_triton.dashboard.store import Phase
from openfeature_triton.flagd_config.edit import read_leniently
from openfeature_triton.flagd_config.errors import FlagFileError
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.syntax import read_bytes

Status = Literal[
    "running", "not_begun", "ended", "disabled", "invalid", "concluded", "removed", "unknown"
]


@dataclass(frozen=True, slots=True)
class Flags:
    """The experiments of the flag file; None, and why, if it can't be read.

    `concluded` are the keys of those that are plain flags by now. `refused` says by key which flags
    are no good and why, and `broken` are those of them that call themselves experiments.
    """

    source: str
    experiments: Mapping[str, Experiment] | None
    problem: str = ""
    concluded: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        """All experiments that the file has, good or not."""
        return (*(self.experiments or ()), *sorted(self.broken))


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known of an experiment; what is not is empty.

    `services` and `weights` are by variant, `text` is the canonical JSON. `phase` is the flag
    file's, which may have no traffic yet; `dates` say in words when it begins and ends by itself.
    `status` is `not_begun` or `ended` where its dates say so, `removed` for a key that the flag
    file has not, `unknown` without a file, `invalid` for a flag that is no good, of which `problem`
    says why.
    """

    key: str
    status: Status
    task_type: str = ""
    languages: tuple[str, ...] = ()
    control: str = ""
    unit: str = ""
    services: Mapping[str, str] | None = None
    weights: Mapping[str, int] | None = None
    owner: str = ""
    hypothesis: str = ""
    phase: str = ""
    dates: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    problem: str = ""

    @property
    def is_in_file(self) -> bool:
        """Whether the flag file has it as an experiment, a good one or not."""
        return self.status not in ("concluded", "removed", "unknown")

    @property
    def may_run(self) -> bool:
        """Whether more requests will come, as far as is known."""
        return self.status in ("running", "unknown")


class FlagFile:
    """The flag file as a running dashboard sees it: parsed again when its content has changed."""

    def __init__(self, path: str, bucketing: str = "v3") -> None:
        self._path = path
        self._bucketing = bucketing
        self._known: tuple[bytes, Flags] | None = None

    def read(self) -> Flags:
        """Give its flags of now; never raises FlagFileError, but says what is wrong."""
        try:
            content = read_bytes(self._path)
        except FlagFileError as error:
            return Flags(self._path, None, str(error))
        if self._known is None or self._known[0] != content:
            self._known = content, _parse(self._path, content, self._bucketing)
        return self._known[1]


def read_flags(path: str, bucketing: str = "v3") -> Flags:
    """Read the flag file once; never raises FlagFileError, but says what is wrong."""
    return FlagFile(path, bucketing).read()


def _parse(path: str, content: bytes, bucketing: str) -> Flags:
    try:
        document = read_leniently(Path(path), content, bucketing, allow_all_refused=True)
    except FlagFileError as error:
        return Flags(path, None, str(error))
    return Flags(
        path,
        document.experiments,
        concluded=frozenset(document.shipped),
        refused={error.flag_key or "": str(error) for error in document.refused},
        broken=document.broken,
    )


def define(key: str, flags: Flags, phases: Iterable[Phase], now: datetime) -> Definition:
    """Give an experiment's definition as of now; `phases` are its own, the oldest first."""
    if flags.experiments is not None and key in flags.experiments:
        return _from_flag(flags.experiments[key], now)
    status = _status_without(key, flags)
    newest = next(reversed(tuple(phases)), None)
    found = Definition(key, status) if newest is None else _from_phase(newest, status)
    return replace(found, problem=flags.refused.get(key, ""))


def _status_without(key: str, flags: Flags) -> Status:
    """Give the status of what is no good experiment of the flag file."""
    if flags.experiments is None:
        return "unknown"
    if key in flags.refused:
        return "invalid"
    return "concluded" if key in flags.concluded else "removed"


def read_weights(phase: Phase) -> dict[str, int]:
    """Give a recorded phase's weights by variant; {} if they are no such thing."""
    weights = read_object(phase.weights)
    return {
        variant: weight
        for variant, weight in weights.items()
        if isinstance(weight, int) and not isinstance(weight, bool) and weight >= 0
    }


def _status(experiment: Experiment, now: datetime) -> Status:
    """Give whether a good experiment takes requests now, and why not."""
    if not experiment.enabled:
        return "disabled"
    now_s = int(now.timestamp())
    if experiment.dates.hold(now_s):
        return "running"
    end = experiment.dates.end
    return "ended" if end is not None and end <= now_s else "not_begun"


def _from_flag(experiment: Experiment, now: datetime) -> Definition:
    return Definition(
        key=experiment.key,
        status=_status(experiment, now),
        task_type=experiment.task_type,
        languages=experiment.languages,
        control=experiment.control,
        unit=experiment.unit,
        services=dict(experiment.services),
        weights=dict(experiment.weights),
        owner=str(experiment.metadata.get("owner", "")),
        hypothesis=str(experiment.metadata.get("hypothesis", "")),
        phase=experiment.phase,
        dates=str(experiment.dates) if experiment.dates else "",
        metadata=dict(experiment.metadata),
        text=experiment.definition,
    )


def _from_phase(phase: Phase, status: Status) -> Definition:
    metadata = read_object(phase.metadata)
    said = {name: str(value) for name, value in metadata.items()}
    return Definition(
        key=phase.experiment,
        status=status,
        weights=read_weights(phase),
        phase=phase.phase,
        task_type=said.get("task_type", ""),
        control=said.get("control", ""),
        unit=said.get("unit", ""),
        owner=said.get("owner", ""),
        hypothesis=said.get("hypothesis", ""),
        metadata=metadata,
        text=phase.definition,
    )


def read_object(text: str) -> dict[str, Any]:
    """Give a recorded text's object; {} for any other: whoever wrote the store, it may be any."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
