"""A real Triton starts, says why it can't, and never outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from openfeature_triton.dashboard.demo.errors import TritonStartError
from openfeature_triton.dashboard.demo.triton_server import running_triton
from tests import servers

pytestmark = pytest.mark.integration

OWNER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests import servers
with servers.triton(servers.deterministic_model("echo", "echo")) as running:
    print(running.http_url, flush=True)
    time.sleep(60)
"""
ROOT = Path(__file__).resolve().parents[2]


def alive(marker: str) -> list[str]:
    """The command lines of living processes that name a folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if marker in command:
            found.append(command)
    return found


def shared_memory(owner_pid: int) -> list[Path]:
    """The segments of shared memory of the Triton that a process owns."""
    return list(Path("/dev/shm").glob(f"oft-{owner_pid}-*"))  # noqa: S108 - where Triton keeps them


def wait_until_gone(marker: str, timeout_s: float = 20.0) -> list[str]:
    """Give what is still alive after a while."""
    deadline_s = time.monotonic() + timeout_s
    while (left := alive(marker)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return left


def test_it_is_ready_when_it_is_given_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model answers at once; in the end neither process, file nor shared memory is left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with servers.triton(servers.deterministic_model("echo", "echo")) as running:
        url = f"http://{running.http_url}/v2/models/echo/ready"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
        assert alive(str(tmp_path))
        assert shared_memory(os.getpid())
    assert alive(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
    assert shared_memory(os.getpid()) == []


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_does_not_outlive_its_owner(tmp_path: Path, deadly: signal.Signals) -> None:
    """However the owner dies, Triton, its models, its folder and its shared memory go too."""
    servers.triton_installation()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline().startswith("127.0.0.1:")
        assert alive(str(tmp_path))
        assert shared_memory(owner.pid)
    finally:
        owner.send_signal(deadly)
        owner.communicate(timeout=30)
    assert wait_until_gone(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
    assert shared_memory(owner.pid) == []


def test_killing_the_supervisor_kills_triton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that watches Triton may be killed, too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with servers.triton(servers.deterministic_model("echo", "echo")) as running:
        os.kill(running.supervisor_pid, signal.SIGKILL)
        assert wait_until_gone(str(tmp_path)) == []


def test_a_model_that_does_not_load_is_named(tmp_path: Path) -> None:
    """Triton's own words say which model failed and why."""
    broken = tmp_path / "model.py"
    broken.write_text("import no_such_module\n", encoding="utf-8")
    model = servers.deterministic_model("broken", "echo")
    with (
        pytest.raises(TritonStartError, match=r"broken.*no_such_module"),
        servers.triton(replace(model, files={"model.py": broken})),
    ):
        pass


def test_a_program_that_is_no_triton_is_said(tmp_path: Path) -> None:
    """A server that ends at once is told by its last words."""
    program = tmp_path / "tritonserver"
    program.write_text("#!/bin/sh\necho 'error: not today' >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    installation = replace(servers.triton_installation(), program=program)
    model = servers.deterministic_model("echo", "echo")
    with (
        pytest.raises(TritonStartError, match=r"ended.*not today"),
        running_triton(installation, (model,), servers.CREDENTIAL),
    ):
        pass
