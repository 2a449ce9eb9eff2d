from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from openfeature_triton.flagd_config import (
    BrokenExperimentError,
    Experiment,
    example,
    parse_document,
)

KEY = "nmt-indictrans3"
FLAG = json.loads(example("nmt").read_text())["flags"][KEY]
CASES = json.loads(Path(__file__).with_name("broken_experiments.json").read_text())


def _read(flag: dict[str, Any]) -> Experiment:
    document = parse_document(json.dumps({"flags": {KEY: flag}}), source="flags.json")
    return document.experiments[KEY]


def _changed(case: dict[str, Any]) -> dict[str, Any]:
    """Give the example flag with the one change of a case."""
    flag: dict[str, Any] = copy.deepcopy(FLAG)
    steps, value = case["set"] if "set" in case else (case["without"], None)
    inner = flag
    for step in steps[:-1]:
        inner = inner[step]
    if "set" in case:
        inner[steps[-1]] = value
    else:
        del inner[steps[-1]]
    return flag


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_experiments_that_cannot_work(case: dict[str, Any]) -> None:
    """Each mistake that keeps an experiment from working is one clear error at its place."""
    with pytest.raises(BrokenExperimentError) as caught:
        _read(_changed(case))
    assert case["says"] in caught.value.problem
    assert caught.value.flag_key == KEY
    assert caught.value.json_path == f"/flags/{KEY}{case['json_path']}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_other_flags_may_do_as_they_like(case: dict[str, Any]) -> None:
    """The same flag without `"experiment": true` passes untouched."""
    flag = _changed(case)
    flag["metadata"]["experiment"] = False
    document = parse_document(json.dumps({"flags": {KEY: flag}}), source="flags.json")
    assert document.flags[KEY] == flag
    assert not document.experiments


def test_reads_what_the_flag_says() -> None:
    """Every field of an experiment comes from its flag."""
    experiment = _read(FLAG)
    assert experiment.enabled
    assert experiment.task_type == "nmt"
    assert experiment.languages == ("hi", "ta")
    assert experiment.control == "control"
    assert experiment.services == {"control": "nmt-indictrans2", "treatment": "nmt-indictrans3"}
    assert experiment.weights == {"control": 50, "treatment": 50}
    assert (experiment.unit, experiment.priority) == ("request", 100)
    assert experiment.metadata == FLAG["metadata"]


def test_a_disabled_experiment_is_still_one() -> None:
    """A disabled experiment is read and says that it is disabled."""
    experiment = _read({**FLAG, "state": "DISABLED"})
    assert (experiment.state, experiment.enabled) == ("DISABLED", False)


def test_an_experiment_is_frozen() -> None:
    """Neither the fields nor the mappings of an experiment can be changed."""
    experiment = _read(FLAG)
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment.state = "DISABLED"  # type: ignore[misc]
    for mapping in (experiment.services, experiment.weights, experiment.metadata):
        with pytest.raises(TypeError, match="frozen"):
            mapping["control"] = 1  # type: ignore[index]


def test_an_experiment_needs_a_key() -> None:
    """The empty key, which flagd allows, cannot be an experiment's id."""
    with pytest.raises(BrokenExperimentError, match="this one is empty"):
        parse_document(json.dumps({"flags": {"": FLAG}}), source="f")
