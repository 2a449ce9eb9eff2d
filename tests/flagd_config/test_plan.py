from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from openfeature_triton.flagd_config import (
    Document,
    example,
    example_task_types,
    parse_document,
    read_document,
)
from openfeature_triton.flagd_config.assigner import Assigner
from openfeature_triton.flagd_config.explain import explain_task
from openfeature_triton.flagd_config.plan import default_keys, find_slices, make_plan
from openfeature_triton.flagd_config.plan_commands import plan

KEY = "nmt-indictrans3"


def _with_split(*shares: Any) -> str:
    document = json.loads(example("nmt").read_text())
    document["flags"][KEY]["targeting"]["if"][1] = {"fractional": list(shares)}
    return json.dumps(document)


def _document(*shares: Any) -> Document:
    return parse_document(_with_split(*shares), source="flags.json")


def _plan(*arguments: object) -> Result:
    return CliRunner().invoke(plan, [str(each) for each in arguments])


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
@pytest.mark.parametrize("task_type", example_task_types())
def test_plan_agrees_with_explain(task_type: str, bucketing: str) -> None:
    """The arrays hold the variant that each key gets, in each slice of each example."""
    document = read_document(example(task_type), bucketing=bucketing)
    keys = default_keys(1000)
    assigner = Assigner(document, keys)
    for task, language in find_slices(document):
        places = assigner.places(task, language)
        assert np.array([goes for _, goes in places]).sum(axis=0).tolist() == [1] * len(keys)
        for index, key in enumerate(keys):
            context = {"language": language, "targetingKey": key}
            asked = explain_task(document, task, context)
            (place,) = [place for place, goes in places if goes[index]]
            expected = asked[-1].variant if asked else None
            assert place[1] == (expected or "")


def test_nothing_moves_without_a_change() -> None:
    """The same version twice moves nobody and opens no phase."""
    document = read_document(example("nmt"))
    made = make_plan(document, document, default_keys(2000))
    assert [each.moved for each in made.slices] == [0.0] * len(made.slices)
    assert made.phases == ()


def test_a_ramp_moves_the_least() -> None:
    """Shares in the same order move just the difference of the weights."""
    made = make_plan(
        _document(["control", 90], ["treatment", 10]),
        _document(["control", 50], ["treatment", 50]),
        default_keys(20_000),
    )
    hindi = next(each for each in made.slices if each.language == "hi")
    assert hindi.moved == pytest.approx(0.4, abs=0.02)
    assert hindi.moved == pytest.approx(hindi.least)
    assert [phase.key for phase in made.phases] == [KEY]
    assert made.orders == ()


def test_a_better_order_is_named() -> None:
    """Shares whose order was turned round move more than they need to."""
    made = make_plan(
        _document(["control", 50], ["treatment", 50]),
        _document(["treatment", 75], ["control", 25]),
        default_keys(2000),
    )
    (order,) = made.orders
    assert order.variants == ("control", "treatment")
    assert order.moved == pytest.approx(0.25)
    assert order.moved_as_written == pytest.approx(0.75)


def test_the_command_draws(tmp_path: Path) -> None:
    """The command prints bars and moves, the same each time, and writes a page."""
    old, new, page = (tmp_path / name for name in ("old.json", "new.json", "plan.html"))
    old.write_text(_with_split(["control", 90], ["treatment", 10]))
    new.write_text(_with_split(["control", 50], ["treatment", 50]))
    result = _plan(old, new, "--count", 1000, "--html", page)
    assert result.exit_code == 0
    assert "after  |" in result.stdout
    assert f"{KEY}/control → {KEY}/treatment" in result.stdout
    assert result.stdout == _plan(old, new, "--count", 1000).stdout
    assert "<script" not in page.read_text()
    assert "nmt hi" in page.read_text()
    assert json.loads(_plan(old, new, "--json", "--count", 10).stdout)["findings"] == []


def test_against_a_commit(tmp_path: Path) -> None:
    """The version that git has is the one that runs."""
    path = tmp_path / "flags.json"
    path.write_text(_with_split(["control", 90], ["treatment", 10]))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *arguments], check=True)
    path.write_text(_with_split(["control", 50], ["treatment", 50]))
    assert "opens a new phase" in _plan(path, "--against", "git:HEAD", "--count", 100).stdout
