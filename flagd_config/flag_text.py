"""Edits inside the text of a flag file that leave everything else to the letter as it was.

A value is found by its marks in the text and replaced there, so formatting, key order and comments
outside of it stay. JSON is read as the YAML that it also is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Step = str | int


class NoSuchPlaceError(LookupError):
    """The text has nothing at the path; says which step is missing."""


class FlagText:
    """The text of one flag file, and the text after each edit."""

    def __init__(self, text: str) -> None:
        self.text = text

    def set(self, path: tuple[Step, ...], value: Any) -> None:
        """Replace the value at a path, or add it as the first member of its mapping."""
        try:
            node = self._find(path)
        except NoSuchPlaceError:
            self._add(path[:-1], str(path[-1]), value)
            return
        start, end = node.start_mark.index, node.end_mark.index
        self._put(start, _end_of_value(self.text, start, end, node), _written(value))

    def _add(self, path: tuple[Step, ...], key: str, value: Any) -> None:
        """Write a new first member, in the style of the one that was first so far."""
        mapping = self._find(path)
        if not isinstance(mapping, MappingNode) or not mapping.value:
            raise NoSuchPlaceError(f"nothing to add {key!r} to at {'/'.join(map(str, path))}")
        first = mapping.value[0][0].start_mark
        if mapping.flow_style:
            line_start = self.text.rfind("\n", 0, first.index) + 1
            alone = not self.text[line_start : first.index].strip()
            gap = "\n" + self.text[line_start : first.index] if alone else " "
            self._put(first.index, first.index, f"{json.dumps(key)}: {_written(value)},{gap}")
        else:
            self._put(first.index, first.index, f"{key}: {_written(value)}\n{' ' * first.column}")

    def _put(self, start: int, end: int, written: str) -> None:
        self.text = self.text[:start] + written + self.text[end:]

    def _find(self, path: tuple[Step, ...]) -> Node:
        node = yaml.compose(self.text, Loader=yaml.SafeLoader)
        for step in path:
            node = _child(node, step)
        if node is None:
            raise NoSuchPlaceError("the file is empty")
        return node


def _child(node: Node | None, step: Step) -> Node:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == str(step):
                return _as_node(value)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return _as_node(node.value[step])
    raise NoSuchPlaceError(f"there is no {step!r}")


def _as_node(value: Any) -> Node:
    if not isinstance(value, Node):
        raise NoSuchPlaceError("this is no value")
    return value


def _end_of_value(text: str, start: int, end: int, node: Node) -> int:
    """Give where a value's own text ends: a block ends before the lines that follow it."""
    if isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style:
        return start + len(text[start:end].rstrip())
    return end


def _written(value: Any) -> str:
    """Write a value in one line of JSON, which both formats read alike."""
    if isinstance(value, Mapping):
        return json.dumps(dict(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
