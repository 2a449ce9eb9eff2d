"""Edits inside the text of a flag file that leave everything else to the letter as it was.

A value is found in the text and replaced there, so formatting, key order and comments outside of it
stay. What is written is JSON in one line, which YAML reads alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from openfeature_triton.flagd_config.places import (
    NoSuchPlaceError,
    Span,
    Step,
    find_json,
    find_yaml,
)
from openfeature_triton.flagd_config.syntax import BYTE_ORDER_MARK

Path = tuple[Step, ...]
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# What YAML refuses or folds, and halves of characters, for the reader to refuse.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_YAML_1_1 = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
_STEP = 4  # columns that a rule moves to the right in a list in a mapping


class FlagText:
    """The text of one flag file that can be read, and the text after each edit."""

    def __init__(self, text: str, *, yaml: bool) -> None:
        self._mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        self._text = text.removeprefix(self._mark)
        self._find_in = find_yaml if yaml else find_json
        self._line_end = "\r\n" if "\r\n" in text else "\n"

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self._mark + self._text

    def set(self, path: Path, value: Any) -> None:
        """Replace the value at a path, or add it as the first member of its mapping."""
        try:
            span = self._find(path)
        except NoSuchPlaceError:
            self.add(path, value)
            return
        gap = " " if span.start == span.end else ""  # YAML's null that nobody wrote
        self._put(span.start, span.end, gap + written(value))

    def add(self, path: Path, value: Any) -> None:
        """Write a new first member, in the style of the one that was first so far."""
        mapping, key = self._find(path[:-1]), str(path[-1])
        first = mapping.first_key
        if first is None:
            raise NoSuchPlaceError(f"nothing to add {key!r} to at {'/'.join(map(str, path[:-1]))}")
        indent = self._before(first)
        if mapping.block:
            gap = self._line_end + " " * len(indent)
            self._put(first, first, f"{yaml_key(key)}: {written(value)}{gap}")
        else:
            gap = self._line_end + indent if not indent.strip() else " "
            self._put(first, first, f"{json.dumps(key)}: {written(value)},{gap}")

    def add_flag(self, key: str, flag: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Write a new first flag; `lines` are its value as it is to be laid out."""
        flags = self._find(("flags",))
        first = flags.first_key
        if first is None:
            self.set(("flags",), {key: flag})
            return
        indent = self._before(first)
        alone = not indent.strip()
        if flags.block or not alone:
            indent = " " * len(indent)
        if flags.block:
            text = [f"{yaml_key(key)}:", *lines]
        else:
            text = [f"{json.dumps(key)}: {lines[0]}", *lines[1:-1], f"{lines[-1]},"]
        gap = self._line_end + indent
        self._put(first, first, gap.join(text) + gap)

    def wrap(self, path: Path, condition: Any) -> None:
        """Make a rule `{"if": [condition, rule]}`."""
        span = self._find(path)
        rule = self._text[span.start : span.end]
        if not span.block:
            self._put(span.start, span.end, f'{{"if": [{written(condition)}, {rule}]}}')
            return
        start = self._line_end + " " * len(self._before(span.start)) + "  - "
        rule = _indented(rule, _STEP)
        self._put(span.start, span.end, f"if:{start}{written(condition)}{start}{rule}")

    def lift(self, path: Path, inner: Path) -> None:
        """Put the value at a path inside of the value at `path` into that one's place."""
        outer, span = self._find(path), self._find((*path, *inner))
        rule = self._text[span.start : span.end]
        if span.block:
            left = len(self._before(span.start)) - len(self._before(outer.start))
            rule = _indented(rule, -left)
        self._put(outer.start, outer.end, rule)

    def _find(self, path: Path) -> Span:
        return self._find_in(self._text, path)

    def _before(self, at: int) -> str:
        """Give what stands before a place in its line."""
        return self._text[self._text.rfind("\n", 0, at) + 1 : at]

    def _put(self, start: int, end: int, new: str) -> None:
        self._text = self._text[:start] + new + self._text[end:]


def _indented(text: str, columns: int) -> str:
    """Move all lines but the first, as far to the left as there is room."""
    first, *others = text.split("\n")
    return "\n".join([first, *(_moved(line, columns) for line in others)])


def _moved(line: str, columns: int) -> str:
    if not line.strip():
        return line
    room = len(line) - len(line.lstrip(" "))
    return " " * max(0, room + columns) + line.lstrip(" ")


def written(value: Any) -> str:
    """Write a value in one line of JSON, which both formats read alike."""
    plain = dict(value) if isinstance(value, Mapping) else value
    text = json.dumps(plain, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def yaml_key(key: str) -> str:
    """Write a key of YAML, without quotes where no version of YAML takes it for anything else."""
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _YAML_1_1 else json.dumps(key)
