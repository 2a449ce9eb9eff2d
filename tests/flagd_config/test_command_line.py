from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import click
import pytest

from openfeature_triton.flagd_config import FlagFileError, command_line, example
from openfeature_triton.flagd_config.errors import Place

HEAVY = ("numpy", "scipy", "flask", "tritonclient", "sqlalchemy", "pydantic")
RUN = "import sys; from openfeature_triton.flagd_config.command_line import main; sys.exit(main())"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def _point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "openfeature_triton.commands")


@click.command(short_help="Fails as it is told.")
@click.argument("how")
@click.pass_context
def fail(context: click.Context, how: str) -> Any:
    """Fail in one of the ways in which commands fail."""
    if how == "bug":
        raise RuntimeError("secret-of-the-bug")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "findings":
        context.exit(1)
    if how == "file":
        raise FlagFileError(Place("flags.json"), "it is wrong", "do it right")
    raise click.FileError("flags.json", "it is locked")


@pytest.fixture
def _two_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one good and two broken commands in the place of the installed ones."""
    points = [
        _point("fail", f"{__name__}:fail"),
        _point("gone", "no_such_module_of_ours:command"),
        _point("wrong", "os:getcwd"),
    ]
    monkeypatch.setattr(command_line, "entry_points", lambda **_: points)


def test_help_lists_every_command_with_its_short_help() -> None:
    """`--help` shows the commands of all folders."""
    result = _run("--help")
    assert result.returncode == 0
    assert "Check flag files and show their experiments." in result.stdout
    listed = {line.split()[0] for line in result.stdout.split("Commands:")[1].splitlines() if line}
    assert {"lint", "service", "store", "dashboard", "demo"} <= listed


def test_help_imports_nothing_heavy() -> None:
    """`--help` stays quick: it imports no numeric, web, database or inference library."""
    code = (
        "import sys\n"
        "from openfeature_triton.flagd_config.command_line import main\n"
        "main(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr.strip() == "[]"


def test_without_a_command_it_shows_its_help() -> None:
    """Nothing asked for is a question for help."""
    result = _run()
    assert result.returncode == 0
    assert result.stdout == _run("--help").stdout


def test_version() -> None:
    """`--version` names the program and the installed version."""
    assert _run("--version").stdout.strip() == f"openfeature-triton {version('openfeature-triton')}"


def test_wrong_option_is_two_lines_and_2() -> None:
    """A wrong option is an error with what to do, and exit code 2."""
    result = _run("lint", "--no-such-option")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("error: No such option")
    assert result.stderr.splitlines()[1] == "try: openfeature-triton lint --help"


def test_commands_run_through_the_entry_points() -> None:
    """A command of a folder runs as the one program."""
    result = _run("lint", str(example("asr")))
    assert (result.returncode, result.stderr) == (0, "")
    assert "asr-fast-beam" in result.stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`… | head` ends quietly, without a traceback."""
    pipe = subprocess.Popen(
        [sys.executable, "-c", RUN, "lint", *[str(example("asr"))] * 2000],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.readline()
    pipe.stdout.close()
    with pipe.stderr:
        assert pipe.stderr.read() == ""
    assert pipe.wait(60) == 1


@pytest.mark.usefixtures("_two_commands")
class TestBrokenCommands:
    """One good command, which fails as it is told, and two that cannot be loaded."""

    def test_one_broken_command_does_not_break_the_others(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A command that cannot be imported is listed with the reason, beside the good ones."""
        assert command_line.main(["--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "fail Fails as it is told." in text
        assert "gone (unavailable: ModuleNotFoundError: No module named" in text
        assert "wrong (unavailable: os:getcwd is not a command)" in text

    def test_running_a_broken_command_says_why(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A command that cannot be imported ends in one line and 2, whatever its options."""
        assert command_line.main(["gone", "--any", "thing"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: the command 'gone' could not be loaded")
        assert error.count("\n") == 1

    def test_a_bug_is_one_line_without_its_message(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An unexpected error shows its type and how to see more, but not what it holds."""
        monkeypatch.delenv("OFT_DEBUG", raising=False)
        assert command_line.main(["fail", "bug"]) == 2
        assert capsys.readouterr().err == (
            "error: unexpected RuntimeError: set OFT_DEBUG=1 for the traceback\n"
        )

    def test_debugging_shows_the_traceback(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """OFT_DEBUG=1 shows the traceback of an unexpected error."""
        monkeypatch.setenv("OFT_DEBUG", "1")
        assert command_line.main(["fail", "bug"]) == 2
        assert "RuntimeError: secret-of-the-bug" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("how", "code", "error"),
        [
            ("interrupt", 130, ""),
            ("findings", 1, ""),
            ("file", 2, "error: flags.json: it is wrong — do it right"),
            ("lock", 2, "error: Could not open file 'flags.json': it is locked"),
        ],
    )
    def test_exit_codes(
        self, how: str, code: int, error: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each way to end has its exit code and its one line."""
        assert command_line.main(["fail", how]) == code
        assert capsys.readouterr().err.strip() == error

    def test_an_unknown_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A command that does not exist is a usage error."""
        assert command_line.main(["nope"]) == 2
        assert "No such command 'nope'" in capsys.readouterr().err


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize("name", ["lint", "plan", "explain", "experiment"])
def test_each_command_has_an_example_and_json(name: str) -> None:
    """The help ends in an example, and a script gets JSON."""
    (entry_point,) = entry_points(group="openfeature_triton.commands", name=name)
    command = entry_point.load()
    group = command if isinstance(command, click.Group) else click.Group("all", {name: command})
    found = dict(_commands(group, (name,) if group is command else ()))
    assert found
    for path, each in found.items():
        assert (each.epilog or "").startswith(f"Example: openfeature-triton {path}"), path
        assert "as_json" in {option.name for option in each.params}, path
        assert each.help, path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("openfeature-triton expe", "plain,experiment"),
        ("openfeature-triton experiment sched", "plain,schedule"),
        ("openfeature-triton experiment pause nm", "plain,nmt-indictrans3"),
        ("openfeature-triton explain --bucketing ", "plain,v2\nplain,v3"),
        ("openfeature-triton lint fl", "file,fl"),
    ],
)
def test_a_shell_completes(words: str, expected: str) -> None:
    """Commands, options, and the experiments of the flag file that the environment names."""
    completed = _run(
        _OPENFEATURE_TRITON_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(words.count(" ")),
        OFT_FLAGS=str(example("nmt")),
    )
    assert completed.stdout.strip() == expected
