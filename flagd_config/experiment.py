"""An experiment: a flag whose metadata says `"experiment": true`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from openfeature_triton.flagd_config.dates import Dates, take_dates
from openfeature_triton.flagd_config.errors import BrokenExperimentError, Place, shown
from openfeature_triton.flagd_config.fractional import read_weights
from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.flagd_config.phase import canonical_definition, phase_id
from openfeature_triton.flagd_config.targeting import OPERATORS, Operation, languages, operations

DEFAULT_PRIORITY = 100
UNITS = ("request", "user")
Metadata = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment as its flag defines it.

    `languages` are those that the conditions on `language` name, () for all. `services` and
    `weights` have every variant in the file's order. `phase` is the id of `definition`, which the
    `dates` of its targeting are no part of.
    """

    key: str
    state: str
    task_type: str
    languages: tuple[str, ...]
    control: str
    services: Mapping[str, str]
    weights: Mapping[str, int]
    unit: str
    priority: int
    metadata: Metadata
    definition: str
    phase: str
    dates: Dates

    @property
    def enabled(self) -> bool:
        """Whether the flag's state is ENABLED."""
        return self.state == "ENABLED"

    def phase_record(self) -> dict[str, str]:
        """Give what is recorded of its phase when it opens, each value as text."""
        return {
            "experiment": self.key,
            "phase": self.phase,
            "weights": json.dumps(dict(self.weights)),
            "metadata": json.dumps(dict(self.metadata)),
            "definition": self.definition,
            "bucketing": json.loads(self.definition).get("bucketing", ""),
        }


def is_experiment(flag: Mapping[str, Any]) -> bool:
    """Say whether a flag calls itself an experiment."""
    return (flag.get("metadata") or {}).get("experiment") is True


def read_experiment(key: str, flag: Mapping[str, Any], place: Place, bucketing: str) -> Experiment:
    """Read the experiment that a flag defines, its `$ref`s resolved.

    Raises BrokenExperimentError for one that cannot work.
    """
    metadata = flag["metadata"]
    if not key:
        _break(place, "an experiment's key is its id, and this one is empty", "give it a name")
    services = read_services(flag["variants"], place.at("variants"))
    _check_default(flag, place.at("defaultVariant"))
    split = _find_split(flag.get("targeting"), place.at("targeting"))
    split_place = place.at("targeting", *split.steps)
    dates, undated = take_dates(flag["targeting"])
    definition = canonical_definition(flag, undated, bucketing)
    return Experiment(
        key=key,
        state=flag["state"],
        task_type=_read_task_type(metadata, place.at("metadata")),
        languages=languages(flag["targeting"]),
        control=_read_control(metadata, services, place.at("metadata")),
        services=FrozenDict(services),
        weights=FrozenDict(read_weights(split, services, split_place)),
        unit=_read_unit(metadata, place.at("metadata")),
        priority=_read_priority(metadata, place.at("metadata")),
        metadata=FrozenDict(metadata),
        definition=definition,
        phase=phase_id(definition),
        dates=dates,
    )


def read_services(variants: Mapping[str, Any], place: Place) -> dict[str, str]:
    """Give the service of each variant; raises BrokenExperimentError for one without."""
    return {name: _read_service(value, place.at(name)) for name, value in variants.items()}


def _read_service(value: Any, place: Place) -> str:
    service_id = value.get("service") if isinstance(value, dict) else None
    if not isinstance(service_id, str) or not service_id.strip():
        _break(
            place,
            f"the variant has no service, it is {shown(value)}",
            'write {"service": "<service_id>"}, an id that is in the registry',
        )
    return service_id


def _check_default(flag: Mapping[str, Any], place: Place) -> None:
    default = flag.get("defaultVariant") or None
    name = str(default).lower() if isinstance(default, bool) else default
    if name is not None and name not in flag["variants"]:
        _break(
            place,
            f"{name!r} is not a variant ({', '.join(flag['variants'])})",
            "write null: requests that do not match then go to the caller's own service",
        )


def _find_split(rule: Any, place: Place) -> Operation:
    splits = []
    for found in operations(rule):
        if found.name not in OPERATORS:
            _break(
                place.at(*found.steps),
                f"flagd knows no operator {found.name!r}",
                "correct its name",
            )
        if found.name == "fractional":
            splits.append(found)
    if not splits:
        _break(
            place,
            "the experiment has no `fractional`, so nothing splits its requests",
            'add {"fractional": [["control", 50], ["treatment", 50]]}',
        )
    if len(splits) > 1:
        _break(
            place.at(*splits[1].steps),
            f"the experiment has {len(splits)} `fractional`s, so its weights are ambiguous",
            "keep one, and make a second experiment of the other",
        )
    return splits[0]


def _read_task_type(metadata: Metadata, place: Place) -> str:
    if "task_type" not in metadata:
        _break(place, "the experiment has no `task_type`", 'add e.g. "task_type": "asr"')
    task_type = metadata["task_type"]
    if not isinstance(task_type, str) or not task_type.strip():
        _break(place.at("task_type"), f"{shown(task_type)} is no task type", 'write e.g. "asr"')
    return task_type


def _read_control(metadata: Metadata, services: Mapping[str, str], place: Place) -> str:
    names = ", ".join(services)
    if "control" not in metadata:
        _break(
            place,
            "the experiment has no `control`, so nothing can be compared",
            f'add "control": and the name of a variant ({names})',
        )
    control = metadata["control"]
    if not isinstance(control, str) or control not in services:
        _break(
            place.at("control"),
            f"the control {shown(control)} is not a variant",
            f"name one of: {names}",
        )
    return control


def _read_unit(metadata: Metadata, place: Place) -> str:
    unit = metadata.get("unit", UNITS[0])
    if not isinstance(unit, str) or unit not in UNITS:
        _break(
            place.at("unit"),
            f"{shown(unit)} is no unit of randomisation",
            'write "request" or "user": what the targeting key is the id of',
        )
    return unit


def _read_priority(metadata: Metadata, place: Place) -> int:
    priority = metadata.get("priority", DEFAULT_PRIORITY)
    if isinstance(priority, bool) or not isinstance(priority, int):
        _break(
            place.at("priority"),
            f"the priority {shown(priority)} is not a whole number",
            f"write one such as {DEFAULT_PRIORITY}; the lowest is asked first",
        )
    return priority


def _break(place: Place, problem: str, advice: str) -> NoReturn:
    raise BrokenExperimentError(place, problem, advice)
