from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from openfeature_triton.flagd_config.targeting import OPERATORS, languages, operations

SPLIT = {"fractional": [["control", 1], ["treatment", 1]]}
LANGUAGE = {"var": "language"}
CONTROL_FLOW = {"if", "?:", "and", "or", "map", "reduce", "filter", "all", "some", "none"}


def test_operators_are_those_of_flagd_core() -> None:
    """The operators known here are those that flagd-core evaluates."""
    # The package has a function of the module's name, which hides the module from `from … import`.
    core = import_module("openfeature.contrib.tools.flagd.core.targeting.targeting")
    assert set(core.OPERATORS) | CONTROL_FLOW == OPERATORS


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SPLIT, ()),
        ({"if": [{"==": [LANGUAGE, "hi"]}, SPLIT]}, ("hi",)),
        ({"if": [{"===": ["hi", LANGUAGE]}, SPLIT]}, ("hi",)),
        ({"if": [{"in": [LANGUAGE, ["hi", "ta", "hi"]]}, SPLIT]}, ("hi", "ta")),
        ({"if": [{"starts_with": [LANGUAGE, "en"]}, SPLIT]}, ("en",)),
        ({"if": [{"==": [{"var": ["language", "en"]}, "en"]}, SPLIT]}, ("en",)),
        (
            {"if": [{"or": [{"==": [LANGUAGE, "hi"]}, {"==": [LANGUAGE, "ta"]}]}, SPLIT]},
            ("hi", "ta"),
        ),
        ({"and": [{"in": [LANGUAGE, ["de"]]}, SPLIT]}, ("de",)),
        ({"if": [{"==": [{"var": "task_type"}, "nmt"]}, SPLIT]}, ()),
        ({"if": [{"!=": [LANGUAGE, "hi"]}, SPLIT]}, ()),
        ({"if": [{"!": {"==": [LANGUAGE, "hi"]}}, SPLIT]}, ()),
        ({"if": [{"==": [LANGUAGE, "de"]}, None, SPLIT]}, ()),
        ({"if": [{"==": [LANGUAGE, "de"]}, None, {"==": [LANGUAGE, "hi"]}, SPLIT]}, ("hi",)),
        ({"if": [{"==": [LANGUAGE, "hi"]}, {"if": [True, SPLIT]}]}, ("hi",)),
    ],
)
def test_languages_are_those_that_guard_the_split(rule: Any, expected: tuple[str, ...]) -> None:
    """Only languages that a request must have to reach the split are named."""
    assert languages(rule) == expected


def test_an_object_of_two_keys_is_data() -> None:
    """Flagd evaluates objects of one key only, so nothing inside others is an operation."""
    assert [found.name for found in operations({"if": [SPLIT, {"a": SPLIT, "b": SPLIT}]})] == [
        "if",
        "fractional",
    ]


def test_operations_know_their_steps() -> None:
    """An operation says the way to it, for messages."""
    found = list(operations({"if": [{"!": {"var": "x"}}, SPLIT]}))
    assert [(one.name, one.steps) for one in found] == [
        ("if", ("if",)),
        ("!", ("if", 0, "!")),
        ("var", ("if", 0, "!", 0, "var")),
        ("fractional", ("if", 1, "fractional")),
    ]
