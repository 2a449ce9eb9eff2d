"""The flag document: all flags of one flagd file, and the experiments among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.evaluators import References
from openfeature_triton.flagd_config.experiment import (
    Experiment,
    Metadata,
    is_experiment,
    read_experiment,
)
from openfeature_triton.flagd_config.flag_shape import check_document, check_flag
from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.flagd_config.phase import BUCKETINGS
from openfeature_triton.flagd_config.shipped import Shipped, in_order_of_end, read_shipped
from openfeature_triton.flagd_config.syntax import parse, read_bytes

YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Document:
    """One flag document that flagd takes and whose experiments can work.

    `flags` are the flags as written, `$ref`s resolved, for reading only: `as_flagd` gives a copy
    to work on. `experiments` are ordered as a request asks them: task type, priority, key.
    `shipped` are those that were concluded, which are asked after all experiments.
    `refused` says which flags were left out and why, where the reading was lenient; `broken` are
    the keys of those among them that call themselves experiments. `bucketing` is the generation of
    flagd's hash that splits requests, "v2" or "v3". `context` is what flagd wants in the context
    of each evaluation.
    """

    source: str
    flags: Mapping[str, Any]
    metadata: Metadata
    experiments: Mapping[str, Experiment]
    refused: tuple[FlagFileError, ...] = ()
    broken: frozenset[str] = frozenset()
    bucketing: str = "v3"
    context: Mapping[str, Any] = field(default_factory=FrozenDict)
    shipped: Mapping[str, Shipped] = field(default_factory=FrozenDict)

    def of_task(self, task_type: str) -> tuple[Experiment, ...]:
        """Give the experiments of one task type, the first to be asked first."""
        return tuple(e for e in self.experiments.values() if e.task_type == task_type)

    @property
    def offers(self) -> tuple[Experiment | Shipped, ...]:
        """What takes requests of a task type, the first to be asked first."""
        return (*self.experiments.values(), *self.shipped.values())

    def offers_of(self, task_type: str) -> tuple[Experiment | Shipped, ...]:
        """Give what takes requests of one task type, the first to be asked first."""
        return tuple(each for each in self.offers if each.task_type == task_type)

    def as_flagd(self) -> dict[str, Any]:
        """Give a fresh document for `FlagdCore.set_flags`, which changes what it is given."""
        return {"flags": _copy(dict(self.flags)), "metadata": dict(self.metadata)}


def read_document(path: str | Path, *, bucketing: str = "v3") -> Document:
    """Read a flag file, as YAML where its suffix is .yaml or .yml, else as JSON.

    Raises FlagFileError; `bucketing` is "v2" or "v3", the generation of flagd's hash.
    """
    yaml = Path(path).suffix.lower() in YAML_SUFFIXES
    return parse_document(read_bytes(path), source=str(path), yaml=yaml, bucketing=bucketing)


def parse_document(
    text: str | bytes, *, source: str, yaml: bool = False, bucketing: str = "v3"
) -> Document:
    """Read a flag document from memory; `source` names it in messages. Raises FlagFileError."""
    if bucketing not in BUCKETINGS:
        raise ValueError(f"bucketing must be one of {', '.join(BUCKETINGS)}, not {bucketing!r}")
    place = Place(source)
    document = parse(text, source=source, yaml=yaml)
    check_document(document, place)
    flags = _read_flags(document, place)
    return Document(
        source=source,
        flags=FrozenDict(flags),
        metadata=FrozenDict(document.get("metadata", {})),
        experiments=FrozenDict(_read_experiments(flags, place, bucketing)),
        bucketing=bucketing,
        shipped=FrozenDict(in_order_of_end(_read_shipped(flags))),
    )


def _read_shipped(flags: Mapping[str, Any]) -> Iterator[Shipped]:
    for key, flag in flags.items():
        found = read_shipped(key, flag)
        if found is not None:
            yield found


def _read_flags(document: dict[str, Any], place: Place) -> dict[str, Any]:
    references = References(document.get("$evaluators") or {}, place)
    flags = {}
    for key, written in document["flags"].items():
        flag = references.resolve(key, written)
        check_flag(flag, place.at("flags", key))
        flags[key] = flag
    return flags


def _read_experiments(
    flags: Mapping[str, Any], place: Place, bucketing: str
) -> dict[str, Experiment]:
    found = [
        read_experiment(key, flag, place.at("flags", key), bucketing)
        for key, flag in flags.items()
        if is_experiment(flag)
    ]
    return in_order(found)


def in_order(experiments: Iterable[Experiment]) -> dict[str, Experiment]:
    """Give experiments by key, in the order in which a request is offered to them."""
    give_way = GiveWay()
    rows = []
    for each in experiments:
        give_way()
        rows.append((each.task_type, each.priority, each.key, each))
    rows.sort()
    give_way()
    return {key: each for _, _, key, each in rows}


def _copy(value: Any) -> Any:
    """Copy JSON values; `copy.deepcopy` takes several times as long for thousands of flags."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
