"""Trace: one evaluation of a rule, with each condition's value and the split's bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from json_logic import jsonLogic
from json_logic.builtins import to_bool

from openfeature_triton.flagd_config.bucketing import (
    hash_v2,
    hash_v3,
    split_v2,
    split_v3,
    unit_hash_v2,
    unit_hash_v3,
)
from openfeature_triton.flagd_config.operators import OPERATORS
from openfeature_triton.flagd_config.targeting import Operation, operation, operations

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was asked: its rule, what it gave, and the attributes that it looked at."""

    steps: Steps
    depth: int
    rule: str
    value: Any
    holds: bool
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a split put the request.

    `number` is the bucket, from 0 to `total` - 1; the variant has those from `low` to `high` - 1.
    `hashed` is None where there was nothing to hash; then there is no bucket either.
    """

    steps: Steps
    by: Any
    hashed: int | None
    number: int | None
    total: int
    low: int | None
    high: int | None
    weights: tuple[tuple[Any, int], ...]
    variant: Any


@dataclass(slots=True)
class Trace:
    """What was seen on the way to a rule's result, in the order in which it was asked."""

    conditions: list[Condition] = field(default_factory=list)
    bucket: Bucket | None = None
    branch: Steps = ()


class Tracer:
    """Evaluates a rule as the reference does, and notes what decides.

    Raises whatever the rule provokes, as the reference does.
    """

    def __init__(self, data: Mapping[str, Any], flag_key: str, bucketing: str) -> None:
        self._data = dict(data)
        self._flag_key = flag_key
        self._v3 = bucketing == "v3"
        self._operators = OPERATORS[bucketing]
        self.trace = Trace()

    def run(self, rule: Any, steps: Steps = ()) -> Any:
        """Give a rule's result."""
        found = operation(rule)
        if found is None:
            self.trace.branch = steps
            return jsonLogic(rule, self._data, self._operators)
        steps = (*steps, found.name)
        if found.name in ("if", "?:"):
            return self._if(found, steps)
        self.trace.branch = steps
        if found.name == "fractional":
            return self._fractional(found, steps)
        return jsonLogic(rule, self._data, self._operators)

    def _if(self, found: Operation, steps: Steps) -> Any:
        arguments = found.arguments
        for index in range(0, len(arguments), 2):
            if index == len(arguments) - 1:
                return self.run(arguments[index], (*steps, index))
            if to_bool(self._condition(arguments[index], (*steps, index), 0)):
                return self.run(arguments[index + 1], (*steps, index + 1))
        self.trace.branch = steps
        return None

    def _condition(self, rule: Any, steps: Steps, depth: int) -> Any:
        at = len(self.trace.conditions)
        found = operation(rule)
        if found is not None and found.name in ("and", "or") and found.arguments:
            value = self._until(found, (*steps, found.name), depth + 1)
        else:
            value = jsonLogic(rule, self._data, self._operators)
        self.trace.conditions.insert(
            at,
            Condition(
                steps, depth, shown_rule(rule), value, to_bool(value), self._attributes(rule)
            ),
        )
        return value

    def _until(self, found: Operation, steps: Steps, depth: int) -> Any:
        """Ask the arguments of `and`, `or` until one decides."""
        value: Any = None
        for index, argument in enumerate(found.arguments):
            value = self._condition(argument, (*steps, index), depth)
            if to_bool(value) == (found.name == "or"):
                break
        return value

    def _attributes(self, rule: Any) -> dict[str, Any]:
        names = (_variable(each) for each in operations(rule) if each.name == "var")
        return {
            name: jsonLogic({"var": [name]}, self._data, self._operators)
            for name in names
            if name is not None
        }

    def _fractional(self, found: Operation, steps: Steps) -> Any:
        values = [jsonLogic(each, self._data, self._operators) for each in found.arguments]
        by, shares, hashed = self._hashed(values)
        read = split_v3 if self._v3 else split_v2
        split = read(shares) if shares else None
        variant = None if split is None or hashed is None else split.variant(hashed)
        weights = tuple(_weights(shares)) if split else ()
        total = sum(weight for _, weight in weights)
        number = (hashed * total) >> 32 if hashed is not None and total else None
        low, high = _range(number, weights)
        self.trace.bucket = Bucket(steps, by, hashed, number, total, low, high, weights, variant)
        return variant

    def _hashed(self, values: Sequence[Any]) -> tuple[Any, Sequence[Any], int | None]:
        """Give what is hashed, the shares, and the hash."""
        unit = self._data.get("targetingKey")
        by_unit = (unit_hash_v3 if self._v3 else unit_hash_v2)(self._flag_key)
        if not values:
            return None, (), None
        by, rest = values[0], values[1:]
        if isinstance(by, (list, tuple)):
            return [self._flag_key, unit], values, by_unit(unit)
        if self._v3:
            return by, rest, hash_v3(by)
        if isinstance(by, str):
            return by, rest, hash_v2(by)
        if by is None:
            return [self._flag_key, unit], rest, by_unit(unit)
        return by, (), None


def _variable(found: Operation) -> str | None:
    name = found.arguments[0] if found.arguments else None
    return name if isinstance(name, str) and name else None


def _weights(shares: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    for share in shares:
        weight = share[1] if len(share) > 1 and share[1] is not None else 1
        yield share[0], max(0, int(weight))


def _range(number: int | None, weights: Sequence[tuple[Any, int]]) -> tuple[int | None, int | None]:
    low = 0
    for _, weight in weights:
        if number is not None and low <= number < low + weight:
            return low, low + weight
        low += weight
    return None, None


def shown_rule(rule: Any, limit: int = 160) -> str:
    """Give a rule as short JSON."""
    text = json.dumps(rule, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
