from __future__ import annotations

import json
import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from openfeature_triton.dashboard.statistics.planner import requests_per_arm
from openfeature_triton.flagd_config import example, read_document
from openfeature_triton.flagd_config.dates import Dates
from openfeature_triton.flagd_config.experiment_commands import experiment
from openfeature_triton.flagd_config.lint import Against, lint_file
from openfeature_triton.flagd_config.new_experiment import (
    NewExperiment,
    plan_requests,
    write_experiment,
)

OPTIONS = {
    "--task": "nmt",
    "--control": "nmt-2",
    "--treatment": "nmt-3",
    "--baseline": "0.95",
    "--minimum-effect": "0.01",
}


def _new(path: Path, key: str = "nmt-new", **changed: str | None) -> Result:
    options = {**OPTIONS, **{f"--{name.replace('_', '-')}": each for name, each in changed.items()}}
    arguments = [
        text for name, each in options.items() if each is not None for text in (name, each)
    ]
    return CliRunner().invoke(experiment, ["new", key, *arguments, "--flags", str(path)])


@pytest.mark.parametrize("name", ["flags.json", "flags.yaml"])
def test_a_new_file_lints_clean(tmp_path: Path, name: str) -> None:
    """A draft with the planner's number, started and undone like any other."""
    path = tmp_path / name
    result = _new(path, language="HI,ta", end="2036-12-24", hypothesis='it\'s "better": yes')
    assert result.exit_code == 0, result.output
    assert lint_file(path).findings == ()
    found = read_document(path).experiments["nmt-new"]
    assert (found.enabled, found.languages, found.weights) == (
        False,
        ("hi", "ta"),
        {"control": 50, "treatment": 50},
    )
    assert found.metadata["planned_requests"] == 2 * requests_per_arm(
        0.01, 0.95 * 0.05, 0.94 * 0.06
    )
    assert found.dates == Dates(end=2_113_689_600)
    for command in ("start", "undo"):
        key = [] if command == "undo" else ["nmt-new"]
        done = CliRunner().invoke(experiment, [command, *key, "--flags", str(path)])
        assert done.exit_code == 0, done.output
    undone = CliRunner().invoke(experiment, ["log", "--flags", str(path), "--json"])
    assert [each["command"] for each in json.loads(undone.stdout)] == ["new", "start", "undo"]


def test_undoing_a_new_file_removes_it(tmp_path: Path) -> None:
    """What was there before was nothing, and undoing that brings the file back."""
    path = tmp_path / "flags.json"
    assert _new(path).exit_code == 0
    written = path.read_bytes()
    undone = CliRunner().invoke(experiment, ["undo", "--flags", str(path)])
    assert undone.exit_code == 0, undone.output
    assert not path.exists()
    assert CliRunner().invoke(experiment, ["undo", "--flags", str(path)]).exit_code == 0
    assert path.read_bytes() == written


@pytest.mark.parametrize("task_type", ["nmt", "ner"])
def test_an_old_file_keeps_all_else(tmp_path: Path, task_type: str) -> None:
    """The new flag stands first, in the file's own style; every other line is still there."""
    path = Path(shutil.copy(example(task_type), tmp_path / example(task_type).name))
    before = path.read_text().splitlines()
    result = _new(path, task="asr", treatment="a=asr-2", share="a=10%")
    assert result.exit_code == 0, result.output
    after = path.read_text().splitlines()
    assert [line for line in after if line in before][-len(before) + 3 :] == before[3:]
    assert lint_file(path).findings == ()
    assert next(iter(read_document(path).flags)) == "nmt-new"


@pytest.mark.parametrize("name", ["flags.json", "flags.yaml"])
def test_a_file_without_flags_gets_its_first(tmp_path: Path, name: str) -> None:
    """Also where they stand as nothing but braces."""
    path = tmp_path / name
    path.write_text('{"flags": {}}')
    assert _new(path).exit_code == 0
    assert lint_file(path).findings == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": None}, "--task is missing"),
        ({"baseline": None}, "--baseline is missing"),
        ({"metric": "latency"}, "--deviation is missing"),
        ({"language": "hindi-and-tamil"}, "no language of BCP 47"),
        ({"treatment": "nmt-2"}, "[same-service]"),
        ({"treatment": "control=nmt-3"}, "two variants have the same name"),
        ({"share": "treatment=x"}, "write e.g. treatment=25%"),
        ({"share": "other=10%"}, "'other' is no variant"),
        ({"task": "translation"}, "[task-type]"),
        ({"guardrails": "error_rate=5"}, "[guardrails]"),
        ({"planned_requests": "100"}, "[planned-requests]"),
        ({"start": "2036-01-02", "end": "2036-01-01"}, "[dates]"),
        ({"end": "soon"}, "no date"),
        ({"minimum_effect": "0"}, "--minimum-effect"),
        ({"minimum_effect": "5"}, "percent?"),
        ({"baseline": "95"}, "--baseline"),
    ],
)
def test_what_would_not_lint_clean_is_not_written(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    """Not one byte, and one line says why."""
    path = tmp_path / "flags.json"
    result = _new(path, **changed)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_taken_is_refused(tmp_path: Path) -> None:
    """No flag is written over."""
    path = Path(shutil.copy(example("nmt"), tmp_path / "flags.json"))
    result = _new(path, key="nmt-indictrans3")
    assert result.exit_code == 2
    assert "such a flag already" in result.stderr
    assert path.read_bytes() == example("nmt").read_bytes()


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:# -]{0,12}[a-z0-9]", fullmatch=True)
texts = st.text(max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    suffix=st.sampled_from([".json", ".yaml"]),
    key=names,
    weights=st.dictionaries(names, st.integers(1, 1000), min_size=2, max_size=4),
    said=st.fixed_dictionaries({"owner": texts, "hypothesis": texts}),
)
def test_whatever_its_names_a_new_flag_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    key: str,
    *,
    weights: dict[str, int],
    said: dict[str, str],
) -> None:
    """Keys, variants and texts that mean something else to YAML are quoted."""
    path = tmp_path_factory.mktemp("new") / f"flags{suffix}"
    services = {name: f"nmt-{index}" for index, name in enumerate(weights)}
    new = NewExperiment(
        key=key,
        task_type="nmt",
        languages=("no",),
        control=next(iter(weights)),
        services=services,
        weights=weights,
        metadata=said,
    )
    write_experiment(path, new, "", Against())
    found = read_document(path).experiments[key]
    assert (dict(found.services), dict(found.weights)) == (services, weights)
    assert found.languages == ("no",)
    assert {name: found.metadata.get(name, "") for name in said} == said
    again = read_document(path).flags[key]
    assert list(again["variants"]) == list(weights)


def test_the_planner_knows_the_smallest_share() -> None:
    """The arm that waits longest decides; a latency's effect is a share."""
    even = plan_requests("success_rate", 0.01, 0.95, {"a": 50, "b": 50})
    assert plan_requests("success_rate", 0.01, 0.95, {"a": 90, "b": 10}) == pytest.approx(5 * even)
    assert plan_requests("latency", 0.1, 0.5, {"a": 1, "b": 1}) == 2 * requests_per_arm(
        0.09531017980432493, 0.25
    )


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """Whoever writes no JSON and knows no option is asked one thing after the other."""
    answers = ["nmt-asked", "nmt", "hi", "nmt-2", "nmt-3", "", "", "0.01", "0.95", "", "ana", ""]
    code = "from openfeature_triton.flagd_config.command_line import main; main()"
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-c", code, "experiment", "new"])  # noqa: S606
    said = b""
    for answer in answers:
        said += _until(terminal, b": ")
        os.write(terminal, answer.encode() + b"\n")
    said += _until(terminal, b"experiment start nmt-asked")
    os.waitpid(child, 0)
    os.close(terminal)
    assert lint_file(tmp_path / "flags.json").clean, said
    found = read_document(tmp_path / "flags.json").experiments["nmt-asked"]
    assert (found.languages, found.metadata["owner"]) == (("hi",), "ana")


def _until(terminal: int, end: bytes) -> bytes:
    """Read what a terminal says up to a question, or fail with what it said instead."""
    said, until = b"", time.monotonic() + 30
    while end not in said:
        assert select.select([terminal], [], [], until - time.monotonic())[0], said
        said += os.read(terminal, 1024)
    return said


def test_lint_and_the_planner_agree(tmp_path: Path) -> None:
    """What the planner says is enough for `lint`, and one request less is not."""
    path = tmp_path / "flags.json"
    assert _new(path, share="treatment=20%").exit_code == 0
    planned = read_document(path).experiments["nmt-new"].metadata["planned_requests"]
    fewer = f'"planned_requests": {int(planned) - 1}'
    path.write_text(path.read_text().replace(f'"planned_requests": {planned}', fewer))
    assert [each.rule_id for each in lint_file(path).findings] == ["planned-requests"]
