"""The operator's way on real files: each step, each refusal, and what stays as it was."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.flagd_config import FlagFileError, audit, example, life_cycle, read_document
from openfeature_triton.flagd_config.errors import Place
from openfeature_triton.flagd_config.experiment_commands import experiment
from openfeature_triton.flagd_config.file_change import ChangedMeanwhileError, digest, replace
from openfeature_triton.flagd_config.life_cycle import (
    LifeCycleError,
    conclude,
    ramp,
    step,
    undo,
)
from openfeature_triton.flagd_config.ramp import ShareError, new_weights

KEYS = {"nmt": "nmt-indictrans3", "ner": "ner-span-model", "asr": "asr-fast-beam"}


@pytest.fixture(params=["nmt", "ner"], ids=["json", "yaml"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example file to work on, in each format."""
    source = example(request.param)
    return Path(shutil.copy(source, tmp_path / source.name))


def key_of(path: Path) -> str:
    """The experiment in an example file."""
    return KEYS[path.stem]


def status(path: Path) -> str:
    """Where the file's experiment is."""
    return life_cycle.status(read_document(path).experiments[key_of(path)])


def test_a_paused_experiment_comes_back_as_it_was(flags: Path) -> None:
    """Pause and resume: the phase is the old one again, so nobody moves and nothing is pooled."""
    before = read_document(flags).experiments[key_of(flags)]
    step(flags, key_of(flags), "pause", "errors")
    assert status(flags) == "paused"
    assert not read_document(flags).experiments[key_of(flags)].enabled
    step(flags, key_of(flags), "resume", "mended")
    after = read_document(flags).experiments[key_of(flags)]
    assert (status(flags), after.phase) == ("running", before.phase)


def test_only_the_values_that_change_are_touched(flags: Path) -> None:
    """Comments, order and formatting stay: the diff holds the state and the status, no more."""
    before = flags.read_text().splitlines()
    step(flags, key_of(flags), "pause", "")
    after = flags.read_text().splitlines()
    gone = [line for line in before if line not in after]
    come = [line for line in after if line not in before]
    assert len(gone) == 1
    assert "ENABLED" in gone[0]
    assert len(come) == 2
    assert all("DISABLED" in line or "paused" in line for line in come)


@pytest.mark.parametrize("command", ["start", "resume"])
def test_a_step_that_life_does_not_allow_is_refused(flags: Path, command: str) -> None:
    """A running experiment can't be started or resumed; the file stays as it is, to the byte."""
    before = flags.read_bytes()
    with pytest.raises(LifeCycleError, match="it is running"):
        step(flags, key_of(flags), command, "")
    assert flags.read_bytes() == before
    assert audit.read(flags) == ()


def test_a_ramp_sets_the_weights(flags: Path) -> None:
    """The named variant gets its share; the rest is divided as it stood."""
    name = "treatment" if flags.stem == "nmt" else "spans"
    ramp(flags, key_of(flags), {name: 10.0}, "carefully")
    weights = read_document(flags).experiments[key_of(flags)].weights
    expected = {"control": 90, "treatment": 10}
    if flags.stem == "ner":
        expected = {"control": 60, "spans": 10, "spans-large": 30}
    assert dict(weights) == expected


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"ghost": 10.0}, "no variant"),
        ({"treatment": 101.0}, "101 %"),
        ({"control": 50.0, "treatment": 40.0}, "90 %"),
    ],
)
def test_a_ramp_that_cannot_be_is_refused(
    tmp_path: Path, shares: dict[str, float], said: str
) -> None:
    """Unknown variants, more than all, and all named but not adding up."""
    path = Path(shutil.copy(example("nmt"), tmp_path / "nmt.json"))
    with pytest.raises(ShareError, match=said):
        ramp(path, KEYS["nmt"], shares, "")
    assert path.read_bytes() == example("nmt").read_bytes()


def test_a_variant_with_two_shares_is_ramped_once(tmp_path: Path) -> None:
    """Shares of one variant add up, so the first one gets all."""
    path = tmp_path / "flags.json"
    split = '["control", 25], ["treatment", 50], ["control", 25]'
    text = example("nmt").read_text().replace('["control", 50], ["treatment", 50]', split)
    path.write_text(text)
    ramp(path, KEYS["nmt"], {"control": 75.0}, "")
    weights = read_document(path).experiments[KEYS["nmt"]].weights
    assert dict(weights) == {"control": 75, "treatment": 25}


@given(st.floats(0, 100), st.floats(0, 100))
def test_ramped_weights_keep_the_shares(one: float, other: float) -> None:
    """Whole weights, their sum what it should be, each share within a thousandth of a point."""
    found = read_document(example("ner")).experiments[KEYS["ner"]]
    shares = {"spans": one, "spans-large": other}
    if one + other > 100:
        with pytest.raises(ShareError):
            new_weights(found.weights, shares, Place("x"))
        return
    weights = new_weights(found.weights, shares, Place("x"))
    total = sum(weights.values())
    assert all(isinstance(weight, int) and weight >= 0 for weight in weights.values())
    for name, share in shares.items():
        assert weights[name] / total * 100 == pytest.approx(share, abs=0.002)


def test_concluding_sends_the_split_to_the_winner(flags: Path) -> None:
    """The flag is a plain one; its conditions stay, and the split has become the winner."""
    winner = "treatment" if flags.stem == "nmt" else "spans"
    conclude(flags, key_of(flags), winner, "better")
    document = read_document(flags)
    assert not document.experiments
    flag = document.flags[key_of(flags)]
    assert "fractional" not in json.dumps(flag["targeting"])
    assert winner in json.dumps(flag["targeting"])
    assert flag["metadata"]["shipped"] == winner
    assert flag["state"] == "ENABLED"


def test_undo_puts_back_each_byte(flags: Path) -> None:
    """After any change, and after an undo of it, the file is one that it was before."""
    original = flags.read_bytes()
    changed = step(flags, key_of(flags), "pause", "")
    paused = flags.read_bytes()
    undo(flags, "")
    assert flags.read_bytes() == original
    undo(flags, "")
    assert flags.read_bytes() == paused
    assert [each.command for each in audit.read(flags)] == ["pause", "undo", "undo"]
    assert changed.reason == ""


def test_undo_does_not_undo_an_edit_by_hand(flags: Path) -> None:
    """What somebody typed since is not thrown away."""
    with pytest.raises(LifeCycleError, match="nothing was changed"):
        undo(flags, "")
    step(flags, key_of(flags), "pause", "")
    edited = flags.read_bytes() + b"\n"
    flags.write_bytes(edited)
    with pytest.raises(LifeCycleError, match="by hand"):
        undo(flags, "")
    assert flags.read_bytes() == edited


def test_mode_and_link_stay(flags: Path) -> None:
    """A file of 0640 behind a symlink is still both."""
    flags.chmod(0o640)
    link = flags.with_name(f"link{flags.suffix}")
    link.symlink_to(flags.name)
    step(link, key_of(flags), "pause", "")
    assert link.is_symlink()
    assert stat.S_IMODE(flags.stat().st_mode) == 0o640
    assert status(flags) == "paused"


def test_a_change_of_somebody_else_is_not_overwritten(flags: Path) -> None:
    """The file is compared with what was read, just before it is replaced."""
    with pytest.raises(ChangedMeanwhileError, match="changed meanwhile"):
        replace(flags, b"what was read", b"new")
    assert flags.read_bytes() == example(flags.stem).read_bytes()
    assert [each.name for each in flags.parent.iterdir()] == [flags.name]


OPERATOR = """
import sys
from pathlib import Path
from openfeature_triton.flagd_config.life_cycle import LifeCycleError, step
for command in ("pause", "resume") * 10:
    try:
        step(Path(sys.argv[1]), sys.argv[2], command, "")
    except LifeCycleError:
        pass
"""


def test_two_operators_at_once_go_one_after_the_other(tmp_path: Path) -> None:
    """The log's hashes form a chain that ends in the file: no change was lost or half made."""
    path = Path(shutil.copy(example("nmt"), tmp_path / "flags.json"))
    command = [sys.executable, "-c", OPERATOR, str(path), KEYS["nmt"]]
    operators = [subprocess.Popen(command) for _ in range(2)]
    assert [operator.wait(60) for operator in operators] == [0, 0]
    entries = audit.read(path)
    assert len(entries) >= 20
    assert [each.before for each in entries[1:]] == [each.after for each in entries[:-1]]
    assert digest(path.read_bytes()) == entries[-1].after


def run(*arguments: str) -> Result:
    """Type a command."""
    return CliRunner().invoke(experiment, arguments)


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    """List, pause with a reason, log; as text and as JSON."""
    path = str(shutil.copy(example("asr"), tmp_path / "flags.json"))
    assert "running" in run("list", "--flags", path).output
    paused = run("pause", KEYS["asr"], "--reason", "too slow", "--flags", path)
    assert paused.exit_code == 0
    assert '+      "state": "DISABLED"' in paused.output
    assert "too slow" in run("log", "--flags", path).output
    (listed,) = json.loads(run("list", "--json", "--flags", path).output)
    assert (listed["experiment"], listed["status"]) == (KEYS["asr"], "paused")
    shown = json.loads(run("show", KEYS["asr"], "--json", "--flags", path).output)
    assert shown["metadata"]["owner"] == "speech"
    undone = json.loads(run("undo", "--json", "--flags", path).output)
    assert undone["command"] == "undo"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause", "ghost"], "no such experiment"),
        (["show", "ghost"], "no such experiment"),
        (["ramp", KEYS["asr"], "treatment"], "write e.g. treatment=25%"),
        (["ramp", KEYS["asr"], "treatment=x%"], "write e.g. treatment=25%"),
        (["conclude", KEYS["asr"], "--ship", "ghost"], "no variant"),
        (["undo"], "nothing was changed"),
    ],
)
def test_a_failing_command_ends_with_2_and_changes_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """One line that says what to do, and the file as it was."""
    path = Path(shutil.copy(example("asr"), tmp_path / "flags.json"))
    result = run(*arguments, "--flags", str(path))
    assert result.exit_code == 2
    assert said in result.output
    assert path.read_bytes() == example("asr").read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:-30], lambda _: "", lambda text: text.replace("fractional", "fractionl")],
    ids=["truncated", "empty", "broken"],
)
def test_a_broken_file_is_not_edited(tmp_path: Path, damage: Callable[[str], str]) -> None:
    """What could not be applied can't be changed by a command either."""
    path = tmp_path / "flags.json"
    path.write_text(damage(example("asr").read_text()))
    before = path.read_bytes()
    with pytest.raises(FlagFileError):
        step(path, KEYS["asr"], "pause", "")
    assert path.read_bytes() == before
