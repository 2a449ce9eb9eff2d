"""What an edit may not do to a file: what lint would find, half of it, or all without a log."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from openfeature_triton.flagd_config import FlagFileError, audit, example, file_change
from openfeature_triton.flagd_config.experiment_commands import experiment
from openfeature_triton.flagd_config.life_cycle import LifeCycleError, conclude, ramp, step, undo
from openfeature_triton.flagd_config.lint import Against, lint_file
from openfeature_triton.flagd_config.registry_services import KnownService

KEY = "nmt-indictrans3"


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """A JSON flag file to work on."""
    return Path(shutil.copy(example("nmt"), tmp_path / "flags.json"))


def _add_broken_flag(path: Path) -> None:
    document = json.loads(path.read_text())
    document["flags"]["broken"] = {"state": "on", "variants": {}}
    path.write_text(json.dumps(document, indent=1))


def test_a_service_that_is_gone_stops_no_pause(flags: Path) -> None:
    """An error that was there before is no reason not to pause."""
    gone = Against(services={"other": KnownService("other", "nmt", True, "http", "h", "m", "")})
    step(flags, KEY, "pause", "", gone)
    assert json.loads(flags.read_text())["flags"][KEY]["state"] == "DISABLED"


def test_weights_that_the_plan_forbids_are_refused(flags: Path) -> None:
    """Each finding stands in its own line, the file stays, and so does the log."""
    plan = '"planned_weights": "control:50, treatment:50"'
    text = flags.read_text().replace('"owner"', f'{plan}, "owner"')
    flags.write_text(text)
    arguments = ["ramp", KEY, "treatment=25%", "--flags", str(flags)]
    result = CliRunner().invoke(experiment, arguments)
    assert result.exit_code == 2
    assert f"{KEY}: the weights are" in result.stderr
    assert "[weights-planned]" in result.stderr
    assert flags.read_text() == text
    assert not audit.log_of(flags).exists()


def test_what_was_wrong_before_does_not_stop_an_edit(flags: Path) -> None:
    """At three in the morning, a broken flag of somebody else's is no reason not to pause."""
    _add_broken_flag(flags)
    before = {each.flag_key for each in lint_file(flags).findings}
    assert before == {"broken"}
    step(flags, KEY, "pause", "")
    assert json.loads(flags.read_text())["flags"][KEY]["state"] == "DISABLED"
    assert {each.flag_key for each in lint_file(flags).findings} == before


def test_a_warning_is_said_and_logged(flags: Path) -> None:
    """What is only likely a mistake stops nobody, and nobody overlooks it."""
    CliRunner().invoke(experiment, ["pause", KEY, "--flags", str(flags)])
    document = json.loads(flags.read_text())
    document["flags"]["nmt-other"] = json.loads(example("nmt").read_text())["flags"][KEY]
    flags.write_text(json.dumps(document))
    for command in (["resume", KEY], ["ramp", KEY, "treatment=1%"]):
        result = CliRunner().invoke(experiment, [*command, "--flags", str(flags)])
        assert result.exit_code == 0
        told = "lint: warning [overlap] nmt-other:" in result.stderr
        assert told == (command[0] == "resume")  # which brought it, though to another flag
    arguments = ["ramp", "nmt-other", "treatment=1%", "--flags", str(flags)]
    again = CliRunner().invoke(experiment, arguments)
    assert "lint: warning [overlap] nmt-other:" in again.stderr
    assert [len(each.lint) for each in audit.read(flags)] == [0, 1, 0, 1]


def test_a_broken_experiment_says_what_is_wrong_with_it(flags: Path) -> None:
    """The flag that is to be edited must be readable."""
    _add_broken_flag(flags)
    with pytest.raises(FlagFileError, match="the state is"):
        step(flags, "broken", "pause", "")


def test_a_split_that_is_all_the_targeting_is_concluded(flags: Path) -> None:
    """A rule that is but a text is none, so the winner becomes the default."""
    document = json.loads(flags.read_text())
    split = document["flags"][KEY]["targeting"]["if"][1]
    document["flags"][KEY]["targeting"] = split
    flags.write_text(json.dumps(document))
    conclude(flags, KEY, "treatment", "")
    flag = json.loads(flags.read_text())["flags"][KEY]
    assert (flag["targeting"], flag["defaultVariant"]) == ({}, "treatment")
    assert lint_file(flags).clean


def test_a_file_indented_by_tabs_is_edited(flags: Path) -> None:
    """JSON allows tabs, which YAML does not."""
    flags.write_text(json.dumps(json.loads(flags.read_text()), indent="\t"))
    step(flags, KEY, "pause", "")
    assert '\n\t\t\t"state": "DISABLED"' in flags.read_text()


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_line_ends_stay(tmp_path: Path, suffix: str) -> None:
    """A file of CRLF has no line that ends otherwise after an edit."""
    name, key = ("nmt", KEY) if suffix == "json" else ("ner", "ner-span-model")
    path = tmp_path / f"flags.{suffix}"
    path.write_bytes(example(name).read_bytes().replace(b"\n", b"\r\n"))
    step(path, key, "pause", "")
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    undo(path, "")
    assert path.read_bytes() == example(name).read_bytes().replace(b"\n", b"\r\n")


def test_a_byte_order_mark_stays_in_yaml_and_is_refused_in_json(tmp_path: Path) -> None:
    """As flagd takes it."""
    path = tmp_path / "flags.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + example("ner").read_bytes())
    step(path, "ner-span-model", "pause", "")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf# yaml")
    assert b"DISABLED" in path.read_bytes()
    json_path = tmp_path / "flags.json"
    json_path.write_bytes(b"\xef\xbb\xbf" + example("nmt").read_bytes())
    with pytest.raises(FlagFileError, match="byte order mark"):
        step(json_path, KEY, "pause", "")


def test_a_link_and_its_file_have_one_log(flags: Path, tmp_path: Path) -> None:
    """What was done by one name is undone by the other."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(flags)
    step(link, KEY, "pause", "")
    undo(flags, "")
    assert flags.read_bytes() == example("nmt").read_bytes()
    assert [each.name for each in link.parent.iterdir()] == ["link.json"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from openfeature_triton.flagd_config.command_line import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(["experiment", "pause", sys.argv[2], "--flags", sys.argv[3]]))
"""


@pytest.mark.parametrize("room", [0, 100, 2000])
def test_without_room_nothing_is_changed(flags: Path, room: int) -> None:
    """Where the disk takes no more, neither file nor log is written by half."""
    step(flags, KEY, "pause", "")
    step(flags, KEY, "resume", "")
    before, log = flags.read_bytes(), audit.log_of(flags).read_bytes()
    command = [sys.executable, "-c", LIMITED, str(room), KEY, str(flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing was changed" in done.stderr
    assert (flags.read_bytes(), audit.log_of(flags).read_bytes()) == (before, log)
    assert len(list(flags.parent.iterdir())) == 2


@pytest.mark.parametrize("call", ["fsync", "fchmod", "write"])
def test_a_failing_disk_leaves_all_as_it_was(
    flags: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever call fails, and whichever time."""

    def fail(after: int) -> Callable[..., object]:
        real, left = getattr(os, call), [after]

        def failing(*arguments: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments)

        return failing

    for after in range(2):
        before = flags.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail(after))
            try:
                step(flags, KEY, "pause", "")
            except OSError:
                assert flags.read_bytes() == before
                assert audit.read(flags) == ()
                assert [each.name for each in flags.parent.iterdir()] == [flags.name]


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    """Nothing is changed, and the line says where."""
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere: run as another user")
    folder = tmp_path / "closed"
    folder.mkdir()
    path = Path(shutil.copy(example("nmt"), folder / "flags.json"))
    folder.chmod(0o500)
    result = CliRunner().invoke(experiment, ["pause", KEY, "--flags", str(path)])
    folder.chmod(0o700)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert path.read_bytes() == example("nmt").read_bytes()


def test_a_change_that_is_already_gone_is_not_undone(flags: Path) -> None:
    """Taken back by git, the last change is not there to be undone, and no older one is instead."""
    ramp(flags, KEY, {"treatment": 10}, "")
    ramped = flags.read_bytes()
    step(flags, KEY, "pause", "")
    flags.write_bytes(ramped)
    with pytest.raises(LifeCycleError, match="already as it was before the last change"):
        undo(flags, "")
    assert flags.read_bytes() == ramped


def test_the_mode_of_a_new_file_is_the_users(tmp_path: Path) -> None:
    """A new file is as readable as the umask says, not as private as a temporary file."""
    path = tmp_path / "flags.json"
    file_change.replace(path, None, b"{}")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    "line", [b"x", b"[]", b"5", b"null", b"{}", b'{"lint": 5}', b"\xff\xfe", b"[" * 5000]
)
def test_a_damaged_log_is_one_line(flags: Path, line: bytes) -> None:
    """Nothing is undone by it, and edits go on."""
    step(flags, KEY, "pause", "")
    with audit.log_of(flags).open("ab") as log:
        log.write(line + b"\n")
    paused = flags.read_bytes()
    for command in ("log", "undo"):
        result = CliRunner().invoke(experiment, [command, "--flags", str(flags)])
        assert result.exit_code == 2
        assert "line 2: this line is no entry" in result.stderr
    assert flags.read_bytes() == paused


def test_a_copy_that_is_not_what_it_was_is_not_put_back(flags: Path) -> None:
    """What is undone to has the hash that the log says."""
    step(flags, KEY, "pause", "")
    log = audit.log_of(flags)
    (entry,) = audit.read(flags)
    forged = base64.b64encode(zlib.compress(b'{"flags": {}}')).decode()
    log.write_text(log.read_text().replace(entry.undo, forged))
    paused = flags.read_bytes()
    with pytest.raises(FlagFileError, match="damaged in it"):
        undo(flags, "")
    assert flags.read_bytes() == paused


def test_a_line_that_was_cut_off_spoils_no_other(flags: Path) -> None:
    """A process that was killed while it wrote costs its own line."""
    step(flags, KEY, "pause", "")
    log = audit.log_of(flags)
    log.write_bytes(log.read_bytes() + b'{"time": "2026')
    step(flags, KEY, "resume", "")
    lines = log.read_text().splitlines()
    assert [json.loads(line)["command"] for line in (lines[0], lines[2])] == ["pause", "resume"]
