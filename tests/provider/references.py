"""The references in processes of their own: flagd-core 2 beside us, 1.0 in its environment."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from openfeature_triton.dashboard.demo.model_server import cache_folder
from tests.provider.evaluations import Seen
from tests.servers import missing

REQUIREMENT = "openfeature-flagd-core==1.0.0"
_ROOT = Path(__file__).parents[2]


class Reference:
    """Processes that answer documents with what their flagd-core makes of all contexts."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def ask(self, document: dict[str, Any]) -> None:
        """Send a document; the processes work on it while this one does something else."""
        for process in self._processes:
            if process.stdin is None:
                raise RuntimeError("the process has no pipes")
            process.stdin.write(json.dumps(document) + "\n")
            process.stdin.flush()

    def answer(self) -> list[Seen]:
        """What the document gives each context, in the order of the contexts."""
        return [seen for process in self._processes for seen in _read(process)]


def _read(process: subprocess.Popen[str]) -> list[Seen]:
    if process.stdout is None:
        raise RuntimeError("the process has no pipes")
    distinct, order = json.loads(process.stdout.readline())
    seen: list[Seen] = [tuple(each) for each in distinct]
    return [seen[number] for number in order]


@contextmanager
def running(python: str | Path, contexts: int) -> Iterator[Reference]:
    """Run an environment's flagd-core, half of the contexts in each of two processes."""
    half = contexts // 2
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_process(python, first, stop))
            for first, stop in ((0, half), (half, contexts))
        ]
        yield Reference(processes)


@contextmanager
def _process(python: str | Path, first: int, stop: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(python), "-m", "tests.provider.evaluations", str(first), str(stop)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def core_1() -> Path:
    """The interpreter that has flagd-core 1.0; skips where it can't be made, fails on CI."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder() / f"flagd-core-1.0.0-python{version}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists() and python.exists():
        return python
    try:
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-q", REQUIREMENT]
        subprocess.run(install, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        missing(REQUIREMENT, said.strip()[-300:], "let pip reach a package index once")
    done.touch()
    return python
