"""What changed between phases, in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from openfeature_triton.dashboard.phase_changes import Change, phase_changes
from openfeature_triton.dashboard.rule_text import conditions, in_words
from openfeature_triton.dashboard.store import Phase

TASK = {"==": [{"var": "task_type"}, "nmt"]}
SPLIT = {"fractional": [["old", 50], ["new", 50]]}


def phase(
    languages: list[str],
    *,
    weight: int = 50,
    service: str = "nmt-3",
    state: str = "ENABLED",
    **said: Any,
) -> Phase:
    """A phase as the provider records it."""
    definition = {
        "state": state,
        "variants": {"old": {"service": "nmt-2"}, "new": {"service": service}},
        "targeting": {"if": [{"and": [TASK, {"in": [{"var": "language"}, languages]}]}, SPLIT]},
    }
    weights = {"old": 100 - weight, "new": weight}
    return Phase("e", "p", 0, json.dumps(weights), json.dumps(said), json.dumps(definition), "v3")


def test_what_changed_is_named() -> None:
    """Weights, services, conditions and metadata, each from what to what; the rest is left out."""
    before = phase(["hi"], weight=10, owner="ana", planned_requests=100)
    after = phase(["hi", "ta"], service="nmt-4", state="DISABLED", owner="bo", note="x")
    assert phase_changes(before, after) == (
        Change("Weight of old", "90", "50"),
        Change("Weight of new", "10", "50"),
        Change("Service of new", "nmt-3", "nmt-4"),
        Change("State", "ENABLED", "DISABLED"),
        Change("Targeting", "language in hi", "language in hi, ta"),
        Change("owner", "ana", "bo"),
        Change("planned_requests", "100", ""),
        Change("note", "", "x"),
    )
    assert phase_changes(before, before) == ()


def test_conditions_that_came_and_went_are_named() -> None:
    """Two new conditions in place of one are told one by one."""
    before = phase(["hi"])
    rule = {"if": [{"and": [TASK, {"!": {"var": "is_test"}}, {">": [{"var": "n"}, 3]}]}, SPLIT]}
    definition = json.dumps({**json.loads(before.definition), "targeting": rule})
    after = replace(before, phase="q", definition=definition)
    assert phase_changes(before, after) == (
        Change("Targeting no longer asks for", "language in hi", ""),
        Change("Targeting now asks for", "", "not (is_test)"),
        Change("Targeting now asks for", "", "n > 3"),
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '{"variants": 3, "targeting": {"if": 1}}']
)
def test_whatever_was_recorded_is_no_exception(text: str) -> None:
    """The store is other people's."""
    odd = Phase("e", "p", 0, text, text, text, "")
    for each in ((odd, phase(["hi"])), (phase(["hi"]), odd), (odd, odd)):
        phase_changes(*each)


def test_a_rule_is_read_as_people_would() -> None:
    """What is not known by sight stays JSON, and depth is no trap."""
    both = {"or": [{"and": [TASK, {"var": ["beta"]}]}, {"starts_with": [{"var": "user"}, "a"]}]}
    assert in_words(both) == "(task_type is nmt and beta) or user starts with a"
    assert in_words({"odd": [1, None]}) == '{"odd": [1, null]}'
    deep: Any = "x"
    for _ in range(900):
        deep = {"!": deep}
    assert in_words(deep)
    assert conditions({"fractional": []}) == ()


def test_long_texts_and_many_changes_are_cut() -> None:
    """A page stays a page."""
    many: dict[str, Any] = {f"m{nth}": "x" * 5000 for nth in range(100)}
    after = phase(["hi"], **many)
    found = phase_changes(phase(["hi"]), after)
    assert len(found) == 20
    assert max(len(each.after) for each in found) < 210
