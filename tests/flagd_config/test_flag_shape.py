from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore

from openfeature_triton.flagd_config import FlagFileError, parse_document

CASES = json.loads(Path(__file__).with_name("refused.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_refused_documents(case: dict[str, Any]) -> None:
    """Each document that flagd would refuse, or silently misread, is one clear error."""
    with pytest.raises(FlagFileError) as caught:
        parse_document(json.dumps(case["document"]), source="flags.json")
    error = caught.value
    assert case["says"] in str(error)
    assert (type(error).__name__, error.json_path) == (case["error"], case["json_path"])
    assert error.flag_key == case.get("flag_key")


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.get("core_takes")], ids=lambda case: case["name"]
)
def test_flagd_core_refuses_the_same(case: dict[str, Any]) -> None:
    """The cases are true: flagd-core does refuse those documents."""
    with pytest.raises(Exception):  # noqa: B017, PT011 it raises ParseError, AttributeError, TypeError
        FlagdCore().set_flags(json.loads(json.dumps(case["document"])))


@pytest.mark.parametrize(
    "extra",
    [
        {"defaultVariant": None},
        {"defaultVariant": ""},
        {"defaultVariant": True},
        {"defaultVariant": "unknown"},
        {"targeting": None},
        {"targeting": {}},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"experiment": "true"}},
        {"metadata": {"experiment": 1}},
        {"source": "x", "selector": "y"},
    ],
)
def test_flags_that_are_no_experiments_pass_untouched(extra: dict[str, Any]) -> None:
    """What flagd-core takes passes as it was written."""
    flag = {"state": "ENABLED", "variants": {"true": 1}, **extra}
    FlagdCore().set_flags({"flags": {"f": dict(flag)}})
    document = parse_document(json.dumps({"flags": {"f": flag}}), source="f")
    assert document.flags["f"] == flag
    assert not document.experiments
