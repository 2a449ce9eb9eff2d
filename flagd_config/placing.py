"""Placing: from what rules say to findings, each with its line in the file and without secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from openfeature_triton.flagd_config.errors import FlagFileError, Place, one_line
from openfeature_triton.flagd_config.findings import Draft, Finding
from openfeature_triton.flagd_config.positions import (
    Position,
    Positions,
    json_positions,
    yaml_positions,
)
from openfeature_triton.flagd_config.rules import RULES
from openfeature_triton.flagd_config.syntax import decode, parse


def place_drafts(
    drafts: Iterable[Draft], positions: Positions, top: Place, secrets: Collection[str]
) -> tuple[Finding, ...]:
    """Give the findings in the order of their lines; `secrets` stand in none of them."""
    repeated = dict(positions.repeated)
    found = []
    for draft in drafts:
        at = positions.of(draft.steps)
        if draft.rule_id == "duplicate-key":
            at = repeated.get(draft.steps, at)
        found.append(_place(draft, at, top.at(*draft.steps), secrets))
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.line, each.column)))


def _place(draft: Draft, at: Position, place: Place, secrets: Collection[str]) -> Finding:
    key = place.flag_key
    return Finding(
        draft.rule_id,
        RULES[draft.rule_id].severity,
        place.source,
        at.line,
        at.column,
        None if key is None else _masked(key, secrets),
        _masked(place.json_path, secrets),
        _masked(one_line(draft.problem), secrets),
        _masked(one_line(draft.advice), secrets),
    )


def _masked(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def find_positions(text: str | bytes, place: Place, *, yaml: bool) -> Positions:
    """Find where the values of a text stand that can be parsed."""
    decoded = decode(text, place)
    return yaml_positions(decoded) if yaml else json_positions(decoded)


def place_error(
    error: FlagFileError, rule_id: str, text: str | bytes | None = None, *, yaml: bool = False
) -> Finding:
    """Give what stopped the reading as a finding, at its line as far as that is known."""
    at = Position(1, 1)
    if text is not None:
        place = Place(error.path)
        try:
            parse(text, source=error.path, yaml=yaml)
            at = find_positions(text, place, yaml=yaml).of(error.args[0].steps)
        except (FlagFileError, RecursionError):
            pass  # a text that can't be parsed has no positions, and its error its own line
    return Finding(
        rule_id,
        RULES[rule_id].severity,
        error.path,
        error.line or at.line,
        error.column or at.column,
        error.flag_key,
        error.json_path,
        one_line(error.problem),
        one_line(error.advice),
    )
