"""`fractional` over compiled rules: who gets which share of a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.bucketing import (
    Split,
    by_unit,
    hash_v2,
    hash_v3,
    split_v2,
    split_v3,
    unit_hash_v2,
)
from openfeature_triton.flagd_config.operators import OPERATORS
from openfeature_triton.provider.rule_node import (
    NO_NAMES,
    NOTHING,
    Attributes,
    Node,
    Run,
    names_of,
)
from openfeature_triton.provider.rule_variables import FLAGD, UNIT

HashValue = Callable[[Any, "str | None"], "int | None"]


class Splitter(NamedTuple):
    """How one flag splits: the generation, "v2" or "v3", hashes the flag's key in."""

    flag_key: str
    bucketing: str

    def split(self, arguments: list[Any], nodes: list[Node]) -> Node:
        """Compile one `fractional`: its arguments as written, and compiled."""
        if not nodes:
            return NOTHING
        shorthand = isinstance(arguments[0], list)
        shares = nodes if shorthand else nodes[1:]
        if not all(share.constant for share in shares):
            return Node(self._at_once(nodes), names=names_of(nodes))
        read = split_v3 if self._v3 else split_v2
        split = read([share.value for share in shares])
        if shorthand or (not self._v3 and nodes[0].constant and nodes[0].value is None):
            if split is None:
                return NOTHING
            run = by_unit(self.flag_key, split, v3=self._v3)
            return Node(run, split=split, names=NO_NAMES)
        return self._by_value(nodes, split)

    @property
    def _v3(self) -> bool:
        return self.bucketing == "v3"

    def _by_value(self, nodes: list[Node], split: Split | None) -> Node:
        """A split by the value of an expression."""
        value, at_once = nodes[0].run, self._at_once(nodes)
        hash_value: HashValue = _hash_value_v3 if self._v3 else _hash_value_v2(self.flag_key)

        def run(attributes: Attributes, key: str | None) -> Any:
            by = value(attributes, key)
            if isinstance(by, (list, tuple)):  # a share, then: the targeting key decides
                return at_once(attributes, key)
            hashed = hash_value(by, key)
            return None if split is None or hashed is None else split.variant(hashed)

        return Node(run, names=nodes[0].names)

    def _at_once(self, nodes: list[Node]) -> Run:
        """A split whose arguments must all be evaluated before anything is known of it."""
        operator, flag_key = OPERATORS[self.bucketing]["fractional"], self.flag_key
        runs = [node.run for node in nodes]

        def run(attributes: Attributes, key: str | None) -> Any:
            data: Mapping[str, Any] = {UNIT: key, FLAGD: {"flagKey": flag_key}}
            return operator(data, *[each(attributes, key) for each in runs])

        return run


def _hash_value_v3(by: Any, _: str | None) -> int | None:
    return hash_v3(by)


def _hash_value_v2(flag_key: str) -> HashValue:
    unit_hash = unit_hash_v2(flag_key)

    def hash_of(by: Any, key: str | None) -> int | None:
        """The hash of a text, or of the unit where there is nothing to split by."""
        if isinstance(by, str):
            return hash_v2(by)
        return unit_hash(key) if by is None else None

    return hash_of
