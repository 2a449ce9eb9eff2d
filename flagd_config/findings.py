"""What `lint` finds: a rule that is broken, where, what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of `lint`: its id, how bad it is to break it, and what it finds.

    An error cannot work or does what nobody wants, a warning is likely a mistake; a note is only
    said, and leaves the exit code at 0.
    """

    id: str
    severity: str
    finds: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A broken rule at the steps that lead to its place, before the line is known."""

    rule_id: str
    steps: tuple[str | int, ...]
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule with its place: `line` and `column` count from 1, in the file as written."""

    rule_id: str
    severity: str
    path: str
    line: int
    column: int
    flag_key: str | None
    json_path: str
    problem: str
    advice: str

    @property
    def counts(self) -> bool:
        """Whether it makes `lint` exit with 1."""
        return self.severity != NOTE

    def as_dict(self) -> dict[str, str | int | None]:
        """Give the same as values that JSON can hold."""
        return {
            "rule": self.rule_id,
            "severity": self.severity,
            "file": self.path,
            "line": self.line,
            "column": self.column,
            "flag_key": self.flag_key,
            "json_path": self.json_path,
            "problem": self.problem,
            "advice": self.advice,
        }
