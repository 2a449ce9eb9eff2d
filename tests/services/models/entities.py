"""Named entities by a gazetteer, by spans of capitalised words, and by both with dates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_GAZETTEER = {
    "Ada Lovelace": "person",
    "Alan Turing": "person",
    "Chennai": "place",
    "Geneva": "place",
    "London": "place",
    "New Delhi": "place",
    "Royal Society": "organisation",
    "United Nations": "organisation",
}
_KNOWN = re.compile("|".join(sorted(map(re.escape, _GAZETTEER), key=len, reverse=True)))
_SPAN = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_DATE = re.compile(r"\b\d{1,2} (?:January|March|May|June|July|October|December) \d{4}\b|\b\d{4}\b")
_NO_NAMES = {"The", "A", "An", "In", "On", "He", "She", "It", "They", "We"}

Entity = tuple[int, int, str]
"""Start, end, type."""


def answer(skill: str, text: str, language: str) -> str:  # noqa: ARG001 - one list for all
    """Give the entities of a text as a JSON list of `text` and `type`, in their order."""
    found = list(_known(text))
    if skill != "gazetteer":
        found = _with(found, _spans(text))
    if skill == "dates":
        found = _with([(*each.span(), "date") for each in _DATE.finditer(text)], found)
    return json.dumps([{"text": text[start:end], "type": type_} for start, end, type_ in found])


def _known(text: str) -> Iterator[Entity]:
    for each in _KNOWN.finditer(text):
        yield (*each.span(), _GAZETTEER[each[0]])


def _spans(text: str) -> list[Entity]:
    return [(*each.span(), "name") for each in _SPAN.finditer(text) if each[0] not in _NO_NAMES]


def _with(first: list[Entity], more: list[Entity]) -> list[Entity]:
    """Add those that overlap none of the first."""
    free = [each for each in more if all(each[0] >= b or each[1] <= a for a, b, _ in first)]
    return sorted(first + free)
