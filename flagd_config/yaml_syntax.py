"""YAML to the values that JSON has, as flagd reads it.

flagd reads YAML 1.2, where only `true` and `false` are booleans; PyYAML follows YAML 1.1, which
turns the language `no` and the variants `on` and `off` into booleans, and dates into objects.
So PyYAML only composes the nodes here, and this module gives them their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from openfeature_triton.flagd_config.errors import MalformedFileError, Place
from openfeature_triton.flagd_config.json_values import Budget, too_deep

_TAG = "tag:yaml.org,2002:"
_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,1000})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, place: Place) -> Any:
    """Give the one document of a YAML text; raises MalformedFileError with line and column."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except RecursionError:
        raise too_deep(place) from None
    except yaml.YAMLError as error:
        raise _syntax_error(error, place) from error
    return None if node is None else _Values(place).of(node, 0)


def _syntax_error(error: yaml.YAMLError, place: Place) -> MalformedFileError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "bad syntax"
    return MalformedFileError(
        place,
        f"this is not YAML ({problem})",
        "correct the syntax at this place",
        None if mark is None else mark.line + 1,
        None if mark is None else mark.column + 1,
    )


class _Values:
    """Turns nodes into values; aliases are followed, within the limits of one document."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._budget = Budget(place)

    def of(self, node: yaml.Node, depth: int) -> Any:
        self._budget.spend(depth)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.of(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        return self._fail(node, f"the tag {node.tag!r} has no meaning in a flag file")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                for found in self._merged(value_node, depth):
                    merged = found | merged
                continue
            key = self._key(key_node)
            if key in own:
                self._fail(key_node, f"the key {key!r} stands in this mapping twice")
            own[key] = self.of(value_node, depth + 1)
        return merged | own

    def _merged(self, node: yaml.Node, depth: int) -> Iterator[dict[str, Any]]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                self._fail(part, "`<<` merges mappings only")
            self._budget.spend(depth + 1)
            yield self._mapping(part, depth + 1)

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            self._fail(node, "a key must be text")
        return key

    def _scalar(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind in ("str", "timestamp", "value") or node.style in ("'", '"', "|", ">"):
            return text
        if kind == "null" and text in _NULLS:
            return None
        if kind == "bool":
            return _BOOLEANS.get(text, text)
        if kind in ("int", "float"):
            return self._number(node, text)
        return self._fail(node, f"the tag {node.tag!r} has no meaning in a flag file")

    def _number(self, node: yaml.Node, text: str) -> int | float | str:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and (not text.lstrip("+-").startswith("0") or "." in text):
            return float(text)
        if ":" in text:  # a time in YAML 1.1's base 60, plain text since YAML 1.2
            return text
        return self._fail(node, f"readers of YAML disagree about the number {text}")

    def _fail(self, node: yaml.Node, problem: str) -> NoReturn:
        raise MalformedFileError(
            self._place,
            problem,
            "write plain JSON values: text in quotes, decimal numbers, each key once",
            node.start_mark.line + 1,
            node.start_mark.column + 1,
        )
