"""What operators are told is what requests get: plan and explain beside the evaluator."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from openfeature_triton.flagd_config import (
    Document,
    example,
    example_task_types,
    parse_document,
    read_document,
)
from openfeature_triton.flagd_config.assigner import Assigner
from openfeature_triton.flagd_config.explain import explain_task
from openfeature_triton.flagd_config.plan import default_keys, find_slices
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.evaluator import Evaluator

KEYS = int(os.environ.get("OFT_TEST_KEYS", "100000"))
EXPLAINED = KEYS // 20  # explaining takes as long as a hundred evaluations
UNIT: Any = {"var": "targetingKey"}
SHARES: Any = [["control", 70], ["treatment", 30]]

generations = pytest.mark.parametrize("bucketing", ["v2", "v3"])


def _evaluated(document: Document, task: str, language: str, keys: list[str]) -> list[Any]:
    """The experiment and variant that the compiled evaluator gives each key."""
    way = Evaluator(document).catalogue.way(task, language)
    found = (way({}, key) for key in keys)
    return [
        (each.experiment, each.variant) if isinstance(each, Assignment) else ("", "")
        for each in found
    ]


def _planned(document: Document, task: str, language: str, keys: list[str]) -> list[Any]:
    found: list[Any] = [None] * len(keys)
    for place, goes in Assigner(document, keys).places(task, language):
        for index in goes.nonzero()[0]:
            assert found[index] is None
            found[index] = place
    return found


@generations
@pytest.mark.parametrize("task_type", example_task_types())
def test_plan_agrees_with_the_evaluator(task_type: str, bucketing: str) -> None:
    """Each of 100,000 keys goes where the plan says, in each slice of each example."""
    document, keys = read_document(example(task_type), bucketing=bucketing), default_keys(KEYS)
    for task, language in find_slices(document):
        assert _planned(document, task, language, keys) == _evaluated(
            document, task, language, keys
        )


@generations
@pytest.mark.parametrize("task_type", example_task_types())
def test_explain_agrees_with_the_evaluator(task_type: str, bucketing: str) -> None:
    """Each key is told the variant that it gets."""
    document = read_document(example(task_type), bucketing=bucketing)
    keys = default_keys(EXPLAINED)
    for task, language in find_slices(document):
        explained = (
            explain_task(document, task, {"language": language, "targetingKey": key})[-1]
            for key in keys
        )
        told = [(each.flag_key, each.variant) if each.variant else ("", "") for each in explained]
        assert told == _evaluated(document, task, language, keys)


@generations
@pytest.mark.parametrize(
    "by",
    [
        UNIT,
        {"cat": [UNIT]},
        {"cat": ["salt ", UNIT]},
        {"cat": [UNIT, " salt "]},
        {"cat": [{"var": "$flagd.flagKey"}, UNIT, {"var": "language"}]},
        {"cat": [UNIT, {"var": "nobody"}]},
        {"cat": [UNIT, 5]},
        {"substr": [UNIT, 4]},
        {"var": ["user", UNIT]},
        {"var": "language"},
        {"if": [{"==": [UNIT, "key-000001"]}, "a", UNIT]},
    ],
    ids=json.dumps,
)
def test_whatever_is_hashed_the_plan_agrees(by: Any, bucketing: str) -> None:
    """A split by a text made of the key, or by anything else."""
    document = json.loads(example("nmt").read_text())
    (flag,) = document["flags"].values()
    flag["targeting"]["if"][1] = {"fractional": [by, *SHARES]}
    read = parse_document(json.dumps(document), source="f", bucketing=bucketing)
    keys = default_keys(500)
    assert _planned(read, "nmt", "hi", keys) == _evaluated(read, "nmt", "hi", keys)


@generations
def test_conditions_on_the_key_are_planned(bucketing: str) -> None:
    """A tester named by the targeting key goes where the rule says."""
    document = json.loads(example("nmt").read_text())
    (flag,) = document["flags"].values()
    split = flag["targeting"]["if"][1]
    rule = {
        "if": [{"ends_with": [UNIT, "7"]}, "treatment", {"starts_with": [UNIT, "x"]}, "x", split]
    }
    flag["targeting"]["if"][1] = rule
    read = parse_document(json.dumps(document), source="f", bucketing=bucketing)
    keys = default_keys(500)
    assert _planned(read, "nmt", "ta", keys) == _evaluated(read, "nmt", "ta", keys)
