"""One reset of OpenFeature's global state after each test, and one detector of what it leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from tests.store_servers import (
    database_server,
    database_url,
    influx,
    influxd,
    postgres,
    postgres_programs,
)

__all__ = ["database_server", "database_url", "influx", "influxd", "postgres", "postgres_programs"]

_OURS = ("oft-", "openfeature-triton")
_GRACE_S = 5.0


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread of ours or a child process behind.

    What servers of a wider scope had started before the test is not its own.
    """
    before = _alive()
    yield
    deadline_s = time.monotonic() + _GRACE_S
    while (left := _alive() - before) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not left, f"left behind: {', '.join(sorted(left))}"


@pytest.fixture(autouse=True)
def _fresh_openfeature(_no_leaks: None) -> Iterator[None]:
    """Leave no provider, hook or context behind."""
    yield
    api.shutdown()
    api.clear_providers()
    api.clear_hooks()
    api.set_evaluation_context(EvaluationContext())


def _alive() -> set[str]:
    threads = {
        f"thread {thread.name} ({thread.ident})"
        for thread in threading.enumerate()
        if thread.name.startswith(_OURS)
    }
    return threads | {f"process {pid} ({_command(pid)})" for pid in _children()}


def _children() -> set[str]:
    """The child processes of all threads of this one; none where the kernel does not tell."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for each in lists for pid in _read(each).split()}


def _command(pid: str) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")[:80].strip() or "ended"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
