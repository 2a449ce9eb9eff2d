"""`openfeature-triton watch`, as an operator or cron starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openfeature_triton.dashboard.watch_commands import watch
from openfeature_triton.flagd_config import audit
from openfeature_triton.hooks import SqlSink
from tests.dashboard.test_watch import World

PROGRAM = "from openfeature_triton.flagd_config.command_line import main; raise SystemExit(main())"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A running experiment without any data."""
    made = World(tmp_path)
    made.write()
    SqlSink(made.url).close()
    return made


def arguments(world: World, *more: str) -> list[str]:
    """What is typed."""
    return ["--flags", str(world.flags), "--store", world.url, *more]


def record_harm(world: World) -> None:
    """Record just now that the treatment fails."""
    world.now = datetime.now(timezone.utc)
    world.record(seconds_ago=0, control=(2, 400), treatment=(80, 400))


def once(world: World, *more: str) -> Result:
    """One look, as cron takes it."""
    return CliRunner().invoke(watch, arguments(world, "--once", *more))


@contextmanager
def running(world: World, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that watches until it is told to stop."""
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "watch",
        *arguments(world, "--interval", "0.2", *more),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(path: Path) -> None:
    """Wait until a file is there and holds something."""
    end_s = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_the_exit_code_of_one_look(world: World) -> None:
    """0 nothing, 1 something, 2 could not look."""
    world.record(control=(2, 400), treatment=(2, 400))
    assert once(world).exit_code == 0
    world.record(treatment=(120, 400), control=(2, 400))
    assert once(world, "--dry-run").exit_code == 1
    assert world.state == "ENABLED"
    paused = once(world, "--json")
    assert paused.exit_code == 1
    assert json.loads(paused.stdout)["event"] == "paused"
    assert world.state == "DISABLED"
    assert once(world).exit_code == 0
    world.write()
    (world.folder / "store.db").unlink()
    away = once(world)
    assert away.exit_code == 2
    assert "store_away" in away.output


def test_what_can_never_work_is_one_line_and_exit_code_2(world: World) -> None:
    """No flag file, no store's URL, no command."""
    nothing = world.folder / "nothing.json"
    for wrong in (["--flags", str(nothing)], ["--store", "mysql://x"], ["--on-event", "'"]):
        result = once(world, *wrong)
        assert result.exit_code == 2, result.output
        assert result.output.count("\n") == 1
    assert once(world, "--interval", "0").exit_code == 2


def test_an_event_is_handed_to_a_command(world: World) -> None:
    """As JSON on its standard input; what it prints does not mix with ours."""
    record_harm(world)
    out = world.folder / "event.json"
    program = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read()); print('noise')"
    result = CliRunner().invoke(
        watch,
        arguments(world, "--once", "--json", "--on-event", f'{sys.executable} -c "{program}"'),
    )
    assert result.exit_code == 1, result.output
    assert json.loads(out.read_text()) == json.loads(result.stdout)
    assert json.loads(out.read_text())["experiment"] == "e"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program-at-all", "can't be run"),
        (f'{sys.executable} -c "raise SystemExit(3)"', "ended with 3"),
        ("sleep 60", "took longer than 0.3 s"),
        (f"""{sys.executable} -c "import os; os.fork(); import time; time.sleep(60)" """, "took"),
    ],
)
def test_a_command_that_fails_is_logged_and_costs_nothing(
    world: World, command: str, said: str
) -> None:
    """The experiment is paused all the same, and nothing of the command is left running."""
    record_harm(world)
    result = once(world, "--on-event", command, "--on-event-timeout", "0.3")
    assert result.exit_code == 1
    assert said in result.output
    assert world.state == "DISABLED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_on_a_signal(world: World, number: signal.Signals) -> None:
    """At once, with exit code 0, while it waits."""
    world.record(control=(2, 400), treatment=(2, 400))
    with running(world, "--interval", "600") as process:
        assert process.stderr is not None
        assert "watching" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output == ""
    assert "stopped" in errors
    assert "Traceback" not in errors


def test_it_stops_while_a_command_runs(world: World) -> None:
    """The command is killed with it."""
    record_harm(world)
    begun = world.folder / "begun"
    program = f"import time; open({str(begun)!r}, 'w').write('x'); time.sleep(600)"
    command = f'{sys.executable} -c "{program}"'
    with running(world, "--on-event", command, "--on-event-timeout", "500") as process:
        wait_for(begun)
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(begun) not in left


def test_it_goes_on_over_all_that_happens(world: World) -> None:
    """Nothing there, then harm, then resumed, then harm again: paused twice, told twice."""
    with running(world, "--json") as process:
        assert process.stdout is not None
        record_harm(world)
        first = json.loads(process.stdout.readline())
        assert (first["event"], world.state) == ("paused", "DISABLED")
        time.sleep(1.5)  # nobody acts on a pause, and a look later nothing is told again
        assert len(audit.read(world.flags)) == 1
        world.write()
        world.age(0)
        record_harm(world)
        second = json.loads(process.stdout.readline())
        assert second["event"] == "paused"
        process.terminate()
        rest, _ = process.communicate(timeout=20)
    assert rest == ""
    assert len(audit.read(world.flags)) == 2
