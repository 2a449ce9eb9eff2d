"""Places: where the value at a path begins and ends in the text of a flag file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.json_members import Members

Step = str | int

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class NoSuchPlaceError(LookupError):
    """The text has nothing at the path; says which step is missing."""


class Span(NamedTuple):
    """A value's text from `start` to `end`.

    `block` says that it is a mapping or list of YAML without brackets; `first_key` is where the
    first member of a mapping begins, None where there is none.
    """

    start: int
    end: int
    block: bool = False
    first_key: int | None = None


def find_json(text: str, path: tuple[Step, ...]) -> Span:
    """Find a value in a text that is known to be JSON."""
    start = _skip(text, 0)
    for step in path:
        children = _json_members(text, start) if text[start] == "{" else _json_items(text, start)
        found = [at for name, at in children if name == step]
        if not found:
            raise NoSuchPlaceError(f"there is no {step!r}")
        start = found[-1]
    _, end = _DECODER.raw_decode(text, start)
    return Span(start, end, first_key=_first_key(text, start))


def _json_members(text: str, start: int) -> Iterator[tuple[Step, int]]:
    members = Members(text, start)
    for member in members:
        yield member.key, members.end - len(member.text)


def _json_items(text: str, start: int) -> Iterator[tuple[Step, int]]:
    """Give the items of an array with their numbers; none for what is no array."""
    at, index = _skip(text, start + 1), 0
    while text[start] == "[" and text[at] != "]":
        yield index, at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        at, index = (_skip(text, at + 1) if text[at] == "," else at), index + 1


def _first_key(text: str, start: int) -> int | None:
    at = _skip(text, start + 1)
    return at if text[start] == "{" and text[at] == '"' else None


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def find_yaml(text: str, path: tuple[Step, ...]) -> Span:
    """Find a value in a text that is known to be YAML, and not nested deeply."""
    import yaml  # noqa: PLC0415 most files are JSON, and PyYAML is slow to import

    node: Any = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for step in path:
        node = _yaml_child(node, step)
    if node is None:
        raise NoSuchPlaceError("the file is empty")
    members = isinstance(node.value, list) and node.value
    first = members[0][0] if members and isinstance(members[0], tuple) else None
    return Span(
        node.start_mark.index,
        _yaml_end(text, node),
        isinstance(node.value, list) and not node.flow_style,
        None if first is None else first.start_mark.index,
    )


def _yaml_child(node: Any, step: Step) -> Any:
    for index, child in enumerate(
        node.value if isinstance(getattr(node, "value", 0), list) else ()
    ):
        name, value = (child[0].value, child[1]) if isinstance(child, tuple) else (index, child)
        if name == step:
            return value
    raise NoSuchPlaceError(f"there is no {step!r}")


def _yaml_end(text: str, node: Any) -> int:
    """Give where a value's own text ends: a block ends with its last value, not before the next.

    What lies between are comments, on what follows most often.
    """
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    if not isinstance(node.value, list):
        return start + len(text[start:end].rstrip())
    if node.flow_style or not node.value:
        return end
    last = node.value[-1]
    return max(start, _yaml_end(text, last[1] if isinstance(last, tuple) else last))
