"""Reading a request's attributes as JSON Logic's `var` does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from openfeature_triton.provider.rule_node import NO_NAMES, Attributes, Node, Run

FLAGD = "$flagd"
UNIT = "targetingKey"


@lru_cache(maxsize=1024)
def variable(name: str) -> Node:
    """One attribute, or the targeting key, as it is; null if it is missing."""
    if name == UNIT:
        return Node(read(name), names=NO_NAMES)
    return Node(read(name), reads=name, names=frozenset((name,)))


def read(name: str) -> Run:
    """What gives one attribute, or the targeting key."""
    if name == UNIT:
        return lambda _attributes, key: key
    return lambda attributes, _key: attributes.get(name)


def read_or(name: str, default: Run) -> Run:
    """One attribute, or what stands for a missing one."""
    given = read(name)

    def run(attributes: Attributes, key: str | None) -> Any:
        missing = default(attributes, key)
        value = given(attributes, key)
        return missing if value is None else value

    return run


def read_deep(name: str, rest: list[str], default: Run) -> Run:
    """What lies deeper in an attribute."""
    given = read(name)

    def run(attributes: Attributes, key: str | None) -> Any:
        missing = default(attributes, key)
        return walk(given(attributes, key), rest, missing)

    return run


def read_flagd(flag_key: str, rest: list[str], default: Run) -> Run:
    """What flagd itself says of an evaluation."""

    def run(attributes: Attributes, key: str | None) -> Any:
        missing = default(attributes, key)
        return walk(_properties(flag_key), rest, missing)

    return run


def data(attributes: Attributes, key: str | None, flag_key: str) -> dict[str, Any]:
    """The data of a request as the reference implementation lays it out."""
    return {**attributes, FLAGD: _properties(flag_key), UNIT: key}


def _properties(flag_key: str) -> dict[str, Any]:
    return {"flagKey": flag_key, "timestamp": int(time.time())}


def walk(value: Any, steps: Iterable[str], default: Any) -> Any:
    """Follow a dotted path as `var` does: keys, positions, and the `length` of lists and texts."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif not isinstance(value, (list, str)):
            return default
        elif step == "length":
            return len(value)
        else:
            position = _position(step)
            if position is None or position >= len(value):
                return default
            value = value[position]
    return default if value is None else value


def _position(step: str) -> int | None:
    """The place in a list that a step names, written just as JavaScript would write it."""
    try:
        position = int(step, 10)
    except ValueError:
        return None
    return position if position >= 0 and step == str(position) else None
