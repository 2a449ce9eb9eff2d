"""What can be wrong with a flag file.

    FlagFileError
    ├── UnreadableFileError    missing, a directory, no permission
    ├── MalformedFileError     not UTF-8, not JSON or YAML, cut off (line and column)
    │   └── RepeatedKeyError   a key stands twice in one object
    ├── RefusedByFlagdError    flagd, or an evaluator of flagd's, would refuse it
    └── BrokenExperimentError  flagd would take it, but the experiment cannot work

Each message says where, what is wrong, and what to do next.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A place in a flag file: its source, and the steps from the top of the document."""

    source: str
    steps: tuple[str | int, ...] = ()

    def at(self, *steps: str | int) -> Place:
        """Give the place that these steps lead to from here."""
        return Place(self.source, self.steps + steps)

    @property
    def flag_key(self) -> str | None:
        """The key of the flag that the place is in, None outside of the flags."""
        return str(self.steps[1]) if len(self.steps) > 1 and self.steps[0] == "flags" else None

    @property
    def json_path(self) -> str:
        """The steps as a JSON pointer (RFC 6901); empty for the whole document."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.steps)


class FlagFileError(Exception):
    """A flag file that cannot be used.

    `path`, `flag_key`, `json_path`, `line` and `column` say where, as far as is known; `problem`
    says what is wrong and `advice` what to do.
    """

    def __init__(
        self,
        place: Place,
        problem: str,
        advice: str,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(place, problem, advice, line, column)
        self.path = place.source
        self.flag_key = place.flag_key
        self.json_path = place.json_path
        self.problem = problem
        self.advice = advice
        self.line = line
        self.column = column

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self._flag(), self._lines(), self.json_path)))
        return one_line(
            f"{self.path}: {where}{': ' if where else ''}{self.problem} — {self.advice}"
        )

    def _flag(self) -> str:
        return "" if self.flag_key is None else f"flag '{self.flag_key}'"

    def _lines(self) -> str:
        if self.line is None:
            return ""
        return f"line {self.line}" + ("" if self.column is None else f", column {self.column}")

    def as_dict(self) -> dict[str, str | int | None]:
        """Give the same as values that JSON can hold."""
        return {
            "path": self.path,
            "flag_key": self.flag_key,
            "json_path": self.json_path,
            "line": self.line,
            "column": self.column,
            "problem": one_line(self.problem),
            "advice": self.advice,
        }


class UnreadableFileError(FlagFileError):
    """The file cannot be read at all."""


class MalformedFileError(FlagFileError):
    """The bytes are not one JSON or YAML document."""


class RepeatedKeyError(MalformedFileError):
    """A key stands twice in one object, and readers silently keep one of the two."""


class RefusedByFlagdError(FlagFileError):
    """The document is one that flagd, or an evaluator of flagd's, refuses."""


class BrokenExperimentError(FlagFileError):
    """The flag calls itself an experiment and cannot work as one."""


def one_line(text: str) -> str:
    """Escape what would break a line or a terminal: flag keys are other people's text."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shown(value: Any, limit: int = 60) -> str:
    """Give a value as short JSON for a message."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else text[: limit - 1] + "…"
