"""Benchmark: the operator's commands from the shell, whole processes: median and spread.

Run: python -m tests.benchmarks.bench_commands
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from openfeature_triton.flagd_config import example

ROUNDS = 7
TASKS = ("asr", "nmt")
LANGUAGES = ("hi", "ta", "te", "bn")


def main() -> None:
    """Print the seconds of each command."""
    with tempfile.TemporaryDirectory() as folder:
        flags = _many_flags(Path(folder) / "flags.json", 1000)
        old, new = (_ten_slices(Path(folder) / f"{share}.json", share) for share in (10, 50))
        nmt = str(example("nmt"))
        request = ("--task", "nmt", "--language", "hi", "--targeting-key", "u1")
        _measure("--help", "--help")
        _measure("lint, 1,000 flags", "lint", flags)
        _measure("plan, 100,000 keys × 10 slices", "plan", old, new)
        _measure("explain", "explain", *request, "--flags", nmt)


def _measure(name: str, *arguments: str) -> None:
    code = "import sys; from openfeature_triton.flagd_config.command_line import main; "
    command = [sys.executable, "-c", code + "sys.exit(main())", *arguments]
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        seconds.append(time.perf_counter() - start)
    low, high = min(seconds), max(seconds)
    print(f"{name:32} median {statistics.median(seconds):6.3f} s ({low:.3f} to {high:.3f})")


def _many_flags(path: Path, count: int) -> str:
    (flag,) = json.loads(example("nmt").read_text())["flags"].values()
    flags = {f"nmt-{i}": flag for i in range(count)}
    path.write_text(json.dumps({"flags": flags}, indent=2))
    return str(path)


def _ten_slices(path: Path, share: int) -> str:
    """Two task types with four languages each, and the other languages of both."""
    flags = {}
    for task in TASKS:
        (flag,) = json.loads(example("nmt").read_text())["flags"].values()
        condition = {"in": [{"var": "language"}, list(LANGUAGES)]}
        split = {"fractional": [["control", 100 - share], ["treatment", share]]}
        flag["targeting"] = {"if": [condition, split]}
        flag["metadata"]["task_type"] = task
        flags[f"{task}-experiment"] = flag
    path.write_text(json.dumps({"flags": flags}))
    return str(path)


if __name__ == "__main__":
    main()
