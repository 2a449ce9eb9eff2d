"""Phase changes: what became of an experiment from one phase to the next, in plain words. Pure.

Whoever wrote the store, its texts may be anything: what is no such thing counts as empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openfeature_triton.dashboard.definitions import read_object
from openfeature_triton.dashboard.rule_text import as_text, conditions, in_words, without_split
from openfeature_triton.dashboard.store import Phase

MAX_CHANGES = 20
_MAX_LENGTH = 200
_NAMES = {"state": "State", "defaultVariant": "Default variant", "bucketing": "Bucketing"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed; `before` or `after` is empty where there was or is none."""

    what: str
    before: str
    after: str


def phase_changes(before: Phase, after: Phase) -> tuple[Change, ...]:
    """Give what changed between two phases: weights, variants, targeting, metadata."""
    old, new = read_object(before.definition), read_object(after.definition)
    found = [
        *_of_each("Weight of {}", read_object(before.weights), read_object(after.weights)),
        *_of_each("Service of {}", _services(old), _services(new)),
        *_of_names(old, new),
        *_of_targeting(old.get("targeting"), new.get("targeting")),
        *_of_each("{}", read_object(before.metadata), read_object(after.metadata)),
    ]
    return tuple(found[:MAX_CHANGES])


def _of_each(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield _change(what.format(name), before.get(name), after.get(name))


def _of_names(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name, what in _NAMES.items():
        if old and new and old.get(name) != new.get(name):
            yield _change(what, old.get(name), new.get(name))


def _of_targeting(old: Any, new: Any) -> Iterator[Change]:
    """Name the conditions that came and went; one for one, as what became of it."""
    before, after = conditions(old), conditions(new)
    gone = [each for each in before if each not in after]
    come = [each for each in after if each not in before]
    if len(gone) == len(come) == 1:
        yield _change("Targeting", gone[0], come[0])
        return
    for each in gone:
        yield _change("Targeting no longer asks for", each, None)
    for each in come:
        yield _change("Targeting now asks for", None, each)
    if (
        not gone
        and not come
        and (asked := in_words(without_split(old))) != (asks := in_words(without_split(new)))
    ):
        yield _change("Targeting", asked, asks)


def _services(definition: Mapping[str, Any]) -> dict[str, Any]:
    variants = definition.get("variants")
    if not isinstance(variants, dict):
        return {}
    return {
        name: value.get("service") if isinstance(value, dict) else value
        for name, value in variants.items()
    }


def _change(what: str, before: Any, after: Any) -> Change:
    return Change(_cut(what), _shown(before), _shown(after))


def _shown(value: Any) -> str:
    return "" if value is None else _cut(as_text(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
