"""Positions: the line and column at which each value of a flag file stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from json import loads
from typing import Any, NamedTuple

Steps = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class Position(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Positions:
    """Where the members of a document stand.

    What is not written there (behind a `$ref`, or a YAML alias) stands where its nearest ancestor
    does.

    `repeated` are the steps of keys that stand in their object once more, at the second one.
    """

    def __init__(self, known: dict[Steps, Position], repeated: list[tuple[Steps, Position]]):
        self._known = known
        self.repeated = repeated

    def of(self, steps: Steps) -> Position:
        """Give the position of the value to which the steps lead."""
        while steps and steps not in self._known:
            steps = steps[:-1]
        return self._known.get(steps, Position(1, 1))


def json_positions(text: str) -> Positions:
    """Find the positions in a text that is known to be JSON."""
    walk = _JsonWalk(text)
    walk.value((), next(walk.tokens))
    return Positions(walk.known, walk.repeated)


def yaml_positions(text: str) -> Positions:
    """Find the positions in a text that is known to be YAML."""
    import yaml  # noqa: PLC0415 most files are JSON, and PyYAML is slow to import

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    known: dict[Steps, Position] = {}
    events = (
        event
        for event in yaml.parse(text, Loader=loader)
        if not isinstance(
            event, (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
        )
    )
    _walk_yaml((), next(events), events, known)
    return Positions(known, [])


class _JsonWalk:
    """Goes through the tokens of a JSON text and notes where each member begins."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.finditer(text)
        self.known: dict[Steps, Position] = {}
        self.repeated: list[tuple[Steps, Position]] = []
        self._lines = [0, *(match.end() for match in re.finditer(r"\n", text))]

    def value(self, steps: Steps, token: re.Match[str]) -> None:
        self.known.setdefault(steps, self._position(token))
        if token[0] == "{":
            self._object(steps)
        elif token[0] == "[":
            self._array(steps)

    def _object(self, steps: Steps) -> None:
        for token in self.tokens:
            if token[0] == "}":
                return
            if token[0] == ",":
                continue
            inner = (*steps, loads(token[0]) if "\\" in token[0] else token[0][1:-1])
            if inner in self.known:
                self.repeated.append((inner, self._position(token)))
                self._forget(inner)
            self.known[inner] = self._position(token)
            next(self.tokens)  # the colon
            self.value(inner, next(self.tokens))

    def _forget(self, steps: Steps) -> None:
        """Readers keep the last of two members, so the members of the first are nowhere."""
        size = len(steps)
        self.known = {each: at for each, at in self.known.items() if each[:size] != steps}

    def _array(self, steps: Steps) -> None:
        index = 0
        for token in self.tokens:
            if token[0] == "]":
                return
            if token[0] == ",":
                continue
            self.value((*steps, index), token)
            index += 1

    def _position(self, token: re.Match[str]) -> Position:
        line = bisect_right(self._lines, token.start())
        return Position(line, token.start() - self._lines[line - 1] + 1)


def _walk_yaml(
    steps: Steps, event: Any, events: Iterator[Any], known: dict[Steps, Position]
) -> None:
    kind = type(event).__name__
    known.setdefault(steps, Position(event.start_mark.line + 1, event.start_mark.column + 1))
    index = 0
    if kind == "MappingStartEvent":
        for key in events:
            if type(key).__name__ == "MappingEndEvent":
                return
            inner = (*steps, str(getattr(key, "value", "")))
            known[inner] = Position(key.start_mark.line + 1, key.start_mark.column + 1)
            _walk_yaml(inner, next(events), events, known)
    elif kind == "SequenceStartEvent":
        for item in events:
            if type(item).__name__ == "SequenceEndEvent":
                return
            _walk_yaml((*steps, index), item, events, known)
            index += 1
