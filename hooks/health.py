"""Health: a small JSON file per process beside its spool, for whoever wants to know how it goes."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from openfeature_triton.hooks.stats import RecorderStats

SUFFIX = ".health.json"
KEPT_S = 7 * 86_400.0
"""How long the file of a process is kept that was not heard of any more."""


def say_health(path: Path, stats: RecorderStats, *, ended: bool) -> None:
    """Tell how a process does, if the disk allows; a clean end leaves nothing to tell."""
    delivery = stats.delivery
    with suppress(OSError):
        if ended and not (stats.dropped or delivery.spooled_points or delivery.dead_letters):
            path.unlink(missing_ok=True)
        else:
            write_health(path, stats, ended=ended)
            forget_old(path.parent)


def write_health(path: Path, stats: RecorderStats, *, ended: bool) -> None:
    """Replace a process's file by the counts of now; OSError if the disk fails."""
    now_s = time.time()
    oldest_s = stats.delivery.oldest_s
    said = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "at_s": now_s,
        "ended": ended,
        "oldest_age_s": None if oldest_s is None else max(now_s - oldest_s, 0.0),
        **dataclasses.asdict(stats),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(said, indent=1), encoding="utf-8")
    fresh.replace(path)


def read_health(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Give what each process of a spool folder last said, newest first; a torn file is skipped."""
    told = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError, ValueError):  # removed or written just now
            said = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(said, dict) and isinstance(said.get("at_s"), int | float):
                told.append(said)
    yield from sorted(told, key=lambda said: -float(said["at_s"]))


def forget_old(folder: Path) -> None:
    """Remove the files of processes that were not heard of for long."""
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # another process removed it first, or will the next time
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()
