"""Core waits: how long threads wanted to run and had no core, as Linux counts it.

What a benchmark times on a busy machine is then told apart: waiting for other programs, and waiting
for what is measured. `Documentation/scheduler/sched-stats.rst` of Linux describes the file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class CoreWaits:
    """Tells how long some threads (`native_id`) have waited for a core in all."""

    def __init__(self, *thread_ids: int) -> None:
        self._files = []
        with suppress(OSError):  # no Linux: nothing is told
            for thread_id in thread_ids:
                path = Path(f"/proc/self/task/{thread_id}/schedstat")
                self._files.append(os.open(path, os.O_RDONLY))

    def ms(self) -> float:
        """Give the waits up to now."""
        return sum(int(os.pread(file, 64, 0).split()[1]) for file in self._files) / 1e6

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            os.close(file)
