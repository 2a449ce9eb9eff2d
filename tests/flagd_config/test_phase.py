from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest

from openfeature_triton.flagd_config import Experiment, example, parse_document

KEY = "nmt-indictrans3"
FLAG = json.loads(example("nmt").read_text())["flags"][KEY]


def _read(flag: dict[str, Any], bucketing: str = "v3") -> Experiment:
    text = json.dumps({"flags": {KEY: flag}})
    return parse_document(text, source="f", bucketing=bucketing).experiments[KEY]


def _change(*steps: str | int, to: Any) -> dict[str, Any]:
    flag = copy.deepcopy(FLAG)
    inner = flag
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = to
    return flag  # type: ignore[no-any-return]


def test_the_definition_is_canonical_json() -> None:
    """The definition is sorted, without white space, and holds all that decides the split."""
    definition = _read(FLAG).definition
    fields = json.loads(definition)
    assert fields == {
        "bucketing": "v3",
        "defaultVariant": None,
        "state": "ENABLED",
        "targeting": FLAG["targeting"],
        "variants": FLAG["variants"],
    }
    assert definition == json.dumps(fields, sort_keys=True, separators=(",", ":"))


def test_the_phase_is_the_start_of_the_definition_s_hash() -> None:
    """The phase id is the first 8 hex digits of the SHA-256 of the definition."""
    experiment = _read(FLAG)
    assert experiment.phase == hashlib.sha256(experiment.definition.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    "flag",
    [
        dict(reversed(FLAG.items())),
        _change("variants", to=dict(reversed(FLAG["variants"].items()))),
        _change("defaultVariant", to=""),
        {name: value for name, value in FLAG.items() if name != "defaultVariant"},
        _change("metadata", "owner", to="somebody else"),
        _change("metadata", "priority", to=1),
    ],
)
def test_changes_that_open_no_phase(flag: dict[str, Any]) -> None:
    """Order, spelling and metadata do not decide who gets what, so the phase stays."""
    assert _read(flag).phase == _read(FLAG).phase


@pytest.mark.parametrize(
    "flag",
    [
        _change("state", to="DISABLED"),
        _change("variants", "treatment", "service", to="nmt-other"),
        _change("defaultVariant", to="control"),
        _change("targeting", "if", 1, "fractional", 1, 1, to=51),
        _change("targeting", "if", 0, to=True),
    ],
)
def test_changes_that_open_a_phase(flag: dict[str, Any]) -> None:
    """A change of state, variants, default, weights or conditions is a new phase."""
    assert _read(flag).phase != _read(FLAG).phase


def test_the_bucketing_generation_is_part_of_the_phase() -> None:
    """Another hash moves half the users, so it is another phase."""
    assert _read(FLAG, "v2").phase != _read(FLAG, "v3").phase


def test_numbers_are_written_in_one_way() -> None:
    """50.0 in a condition is the same as 50."""
    one, other = (_change("targeting", "if", 0, to={"<": [{"var": "x"}, n]}) for n in (50, 50.0))
    assert _read(one).phase == _read(other).phase


def test_a_reference_counts_as_what_it_stands_for() -> None:
    """A `$ref` and its rule written out are one definition."""
    rule = FLAG["targeting"]["if"][0]
    flag = _change("targeting", "if", 0, to={"$ref": "rule"})
    text = json.dumps({"$evaluators": {"rule": rule}, "flags": {KEY: flag}})
    assert parse_document(text, source="f").experiments[KEY] == _read(FLAG)
