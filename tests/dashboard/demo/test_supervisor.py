"""The process that watches a server, with servers that are a few lines of shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from openfeature_triton.dashboard.demo import supervisor


def supervise(folder: Path, script: str) -> subprocess.Popen[str]:
    """Supervise a shell script."""
    return subprocess.Popen(
        [sys.executable, supervisor.__file__, "oft-none", str(folder), "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_gives_the_servers_exit_code_and_says_nothing(tmp_path: Path) -> None:
    """A server that ends by itself ends its supervisor, whose input is still open."""
    process = supervise(tmp_path, "exit 7")
    assert process.wait(20) == 7
    assert process.communicate() == ("", "")
    assert tmp_path.exists()


def test_it_stops_the_server_when_its_input_ends(tmp_path: Path) -> None:
    """The server gets SIGTERM, and may still do something."""
    process = supervise(
        tmp_path, "trap 'echo stopped; exit 3' TERM; echo started; while :; do sleep 0.05; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (3, "stopped\n", "")


def test_it_ends_what_the_server_started(tmp_path: Path) -> None:
    """A child that outlives its server is killed: its end of our pipe closes."""
    process = supervise(tmp_path, "sleep 60 & exit 0")
    assert process.wait(20) == 0
    assert process.communicate(timeout=20) == ("", "")
