from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from openfeature_triton.flagd_config import example, example_task_types
from openfeature_triton.flagd_config.commands import lint


def _lint(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(lint, [str(argument) for argument in arguments], env=environment)


def test_lint_shows_the_experiments() -> None:
    """A good file gives a table with a row per variant, and 0."""
    result = _lint(example("asr"))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].endswith("asr.json: 1 flag, 1 experiment")
    first, second = (line.split("  ") for line in result.stdout.splitlines()[2:])
    assert [cell.strip() for cell in first if cell] == [
        *("asr-fast-beam", "ENABLED", "asr", "en-US, en-GB"),
        *("control (control)", "asr-careful", "50", "487dff1f"),
    ]
    assert [cell.strip() for cell in second if cell] == ["treatment", "asr-fast", "50"]


def test_lint_of_a_broken_file_is_a_finding(tmp_path: Path) -> None:
    """A file that flagd would refuse is a finding with its line, and 1."""
    path = tmp_path / "flags.json"
    path.write_text('{"flags": {"f": {"state": "on", "variants": {"a": 1}}}}')
    result = _lint(path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}:1:18: error [schema] flag 'f': the state is")
    assert result.stdout.endswith("1 error\n")


def test_lint_of_a_missing_file_could_not_run(tmp_path: Path) -> None:
    """A file that cannot be read gives 2, and the others are still checked."""
    result = _lint(tmp_path / "none.json", example("nmt"))
    assert result.exit_code == 2
    assert "there is no such file" in result.stdout
    assert "nmt-indictrans3" in result.stdout


def test_lint_as_json() -> None:
    """The same as JSON has every experiment with its variants."""
    result = _lint("--json", *map(example, example_task_types()))
    reports = json.loads(result.stdout)["files"]
    assert [report["ok"] for report in reports] == [True] * 5
    assert reports[0]["experiments"][0]["variants"] == [
        {"variant": "control", "service": "asr-careful", "weight": 50},
        {"variant": "treatment", "service": "asr-fast", "weight": 50},
    ]


def test_lint_as_json_has_the_errors(tmp_path: Path) -> None:
    """A script finds place, problem and advice of a finding as fields."""
    path = tmp_path / "flags.json"
    path.write_text('{"flags": ')
    result = _lint("--json", path)
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["files"]
    (finding,) = report["findings"]
    assert (finding["rule"], finding["line"]) == ("syntax", 1)
    assert finding["problem"] == "the JSON ends in the middle"


def test_lint_says_that_an_empty_set_removes_all(tmp_path: Path) -> None:
    """A file without any flag is a finding: flagd takes it without a word."""
    path = tmp_path / "flags.json"
    path.write_text('{"flags": {}}')
    result = _lint(path)
    assert result.exit_code == 1
    assert "removes every flag" in result.stdout


def test_the_phase_follows_the_bucketing_setting() -> None:
    """OFT_BUCKETING and --bucketing give the phases of that generation."""
    by_option = _lint("--bucketing", "v2", example("asr")).stdout
    assert by_option == _lint(example("asr"), OFT_BUCKETING="v2").stdout
    assert by_option != _lint(example("asr")).stdout
