"""YAML to the values that JSON has, as flagd reads it.

flagd reads YAML 1.2, where only `true` and `false` are booleans. PyYAML's loaders follow YAML 1.1,
which turns the language `no` and the variants `on` and `off` into booleans and dates into objects,
and libyaml's composer crashes the process on deep nesting. So only PyYAML's stream of events is
used, and this module gives the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from openfeature_triton.flagd_config.errors import (
    FlagFileError,
    MalformedFileError,
    Place,
    RepeatedKeyError,
)
from openfeature_triton.flagd_config.json_values import MAX_DEPTH, too_deep

_TAG = "tag:yaml.org,2002:"
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,999})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Octal, hexadecimal, binary, underscores, infinities: read differently by YAML 1.1 and 1.2.
_DISPUTED = re.compile(
    r"[-+]?(0[0-9_]+|0[xob][0-9a-fA-F_]+|[0-9][0-9_]*_[0-9_.]*|\.inf|\.nan)", re.IGNORECASE
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, place: Place) -> Any:
    """Give the one document of a YAML text; raises FlagFileError with line and column."""
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER), place).document()
    except yaml.YAMLError as error:
        raise _syntax_error(error, place) from error


def _syntax_error(error: yaml.YAMLError, place: Place) -> FlagFileError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "bad syntax"
    if "nesting depth" in problem:  # newer libyaml counts, too
        return too_deep(place)
    return MalformedFileError(
        place,
        f"this is not YAML ({problem})",
        "correct the syntax at this place",
        None if mark is None else mark.line + 1,
        None if mark is None else mark.column + 1,
    )


class _Reader:
    """Builds values from PyYAML's events; an alias gives the very value of its anchor."""

    def __init__(self, events: Iterator[Any], place: Place) -> None:
        self._events = events
        self._place = place
        self._anchors: dict[str, Any] = {}

    def document(self) -> Any:
        """Give the stream's only document; None of an empty stream."""
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 0)
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._fail(event, "a second document starts here")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise too_deep(self._place)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._demand_tag(event, "seq")
            value = self._sequence(depth)
        else:
            self._demand_tag(event, "map")
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            self._fail(event, f"the alias *{event.anchor} has no finished anchor before it")
        return self._anchors[event.anchor]

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if self._is_merge(event):
                merged |= self._merged(next(self._events), depth)
                continue
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                self._fail(event, "a key must be text")
            if key in own:
                self._fail(event, f"the key {key!r} stands in this mapping twice", RepeatedKeyError)
            own[key] = self._value(next(self._events), depth + 1)
        return merged | own

    @staticmethod
    def _is_merge(event: Any) -> bool:
        return isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<"

    def _merged(self, event: Any, depth: int) -> dict[str, Any]:
        """Read what `<<` merges: one mapping or a list of them, the first of which wins."""
        value = self._value(event, depth + 1)
        merged: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                self._fail(event, "`<<` merges mappings only")
            merged = part | merged
        return merged

    def _scalar(self, event: Any) -> str | int | float | bool | None:
        text = str(event.value)
        kind = str(event.tag or "").removeprefix(_TAG)
        if kind in ("!", "str") or (not kind and not event.implicit[0]):
            return text
        if kind not in ("", "int", "float", "bool", "null"):
            self._fail(event, f"the tag {event.tag} has no meaning in a flag file")
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _DISPUTED.fullmatch(text):
            self._fail(event, f"readers of YAML disagree about the number {text}")
        return text

    def _demand_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._fail(event, f"the tag {event.tag} has no meaning in a flag file")

    def _fail(
        self, event: Any, problem: str, kind: type[MalformedFileError] = MalformedFileError
    ) -> NoReturn:
        raise kind(
            self._place,
            problem,
            "write plain JSON values: text in quotes, decimal numbers, each key once",
            event.start_mark.line + 1,
            event.start_mark.column + 1,
        )
