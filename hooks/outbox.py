"""Outbox: what this process has still to deliver; on disk, and in memory while the disk fails.

What is in memory is always newer than what is in the file.
"""

from __future__ import annotations

import math
import os
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from openfeature_triton.hooks import spool_folder
from openfeature_triton.hooks.sink import Point
from openfeature_triton.hooks.spool import Backlog, Row, Spool, Spooled
from openfeature_triton.hooks.spool_file import ForeignSpoolError

T = TypeVar("T")

MEMORY_BYTES = 16 * 2**20
"""How much is kept in memory while the disk fails."""

DISK_FAILED = "disk_failed"
DISK_FAILED_RAW = "disk_failed_raw"
"""Why outcomes, or raw points, were lost: the process ended, and no disk took them."""

_DISK_ERRORS = (sqlite3.Error, OSError)


class Outbox:
    """Keeps points for the sender. Any thread may call; each call waits for the one before.

    Args:
        folder: where the spool file is made, with the first point.
        max_bytes: size of the file.
        doubt_s: how long a request without an answer may still be stored.
    """

    def __init__(self, folder: Path, max_bytes: int, doubt_s: float) -> None:
        self.folder = folder.absolute()  # the process may change its folder
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.dropped: Counter[str] = Counter()
        self.disk_errors = 0
        self.set_aside = 0
        self.last_error = ""
        self.lock = threading.RLock()
        self._claim: spool_folder.Claim | None = None
        self._adopted: spool_folder.Claim | None = None
        self._file = Spool(self.folder / f"{self.name}{spool_folder.SUFFIX}", max_bytes)
        self._memory = Spool(None, min(max_bytes, MEMORY_BYTES))
        self._doubt_s = doubt_s
        self._in_memory = False
        self._settled: list[Spooled] = []
        self._doubted: list[Spooled] = []
        self._adopted_before: set[Path] = set()

    @property
    def is_begun(self) -> bool:
        """Whether anything was ever put in."""
        return self._claim is not None or self._in_memory

    @property
    def is_on_disk(self) -> bool:
        """Whether all that waits is safe from the end of the process."""
        return not self._in_memory

    def put(self, points: Collection[Point]) -> None:
        """Keep points; in memory if the disk fails. Raises nothing of the disk's."""
        with self.lock:
            try:
                self._catch_up()
                self._on_file(lambda: self._file.put(points))
            except _DISK_ERRORS as error:
                self._note(error)
                self._in_memory = True
                self._memory.put(points)
                self._memory.doubt_all()  # an older value may wait in the file
            self._make_room()

    def newest_dropped_ns(self) -> int:
        """Give the newest time of the windows that were dropped since this was last asked, or 0."""
        with self.lock:
            return max(self._file.newest_dropped_ns(), self._memory.newest_dropped_ns())

    def put_rows(self, rows: Sequence[Row]) -> None:
        """Keep points that are written as rows already; raises what the disk raises."""
        with self.lock:
            self._catch_up()
            self._on_file(lambda: self._file.put_rows(rows))

    def take(
        self, most: int, *, raw: bool = False, newest: bool = False
    ) -> tuple[list[Spooled], Spool]:
        """Give points to deliver, and the spool that has to hear of it.

        From the file, once it has heard what came in memory: what waits in it may be older.
        """
        with self.lock:
            if not self.is_begun:
                return [], self._file
            try:
                self._catch_up()
                points = self._on_file(lambda: self._file.take(most, raw=raw, newest=newest))
            except _DISK_ERRORS as error:
                self._note(error)
                return self._memory.take(most, raw=raw, newest=newest), self._memory
            return points, self._file

    def settle(self, points: Sequence[Spooled], spool: Spool) -> int:
        """Take note that points are delivered; gives their outcomes.

        Raises what the disk raises of an adopted spool, which would give the same points again.
        """
        with self.lock:
            self.dropped -= spool.regained(points)
            if spool is self._memory:
                return self._memory.settle(points, math.inf)
            try:
                return spool.settle(points, self._doubt_s)
            except _DISK_ERRORS as error:
                self._note(error)
                if spool is not self._file:
                    raise
                self._settled.extend(points)  # before the file is read again
            return sum(point.outcomes for point in points)

    def doubt(self, points: Sequence[Spooled], spool: Spool) -> None:
        """Take note that points were sent, and may be stored yet."""
        with self.lock:
            try:
                spool.doubt(points)
            except _DISK_ERRORS as error:
                self._note(error)
                if spool is self._file:
                    self._doubted.extend(points)  # before the file is read again

    def backlog(self) -> Backlog:
        """Say how much waits, on disk and in memory."""
        with self.lock:
            memory = self._memory.backlog() if self._in_memory else Backlog()
            try:
                file = self._file.backlog()
            except _DISK_ERRORS as error:
                self._note(error)
                file = Backlog()
            oldest = [each.oldest_s for each in (file, memory) if each.oldest_s is not None]
            return Backlog(
                file.points + memory.points,
                file.raw_points + memory.raw_points,
                file.outcomes + memory.outcomes,
                min(oldest, default=None),
                file.held,
            )

    def adopt(self) -> Iterator[tuple[spool_folder.Claim, Spool]]:
        """Give the spools of processes that ended, each locked until the next one is asked for."""
        for claim in spool_folder.orphans(self.folder):
            self._adopted = claim
            try:
                yield claim, Spool(claim.path, self._file.max_bytes)
            finally:
                self._adopted = None
                claim.forget()

    def doubt_adopted(self, claim: spool_folder.Claim, spool: Spool) -> None:
        """Take note that whoever left a spool may have been killed while it sent."""
        with self.lock:
            spool.doubt_all()
            if claim.path not in self._adopted_before:
                self._adopted_before.add(claim.path)
                spool.doubt_anew(self._doubt_s)

    def put_aside(self, claim: spool_folder.Claim, error: Exception) -> None:
        """Set an adopted file aside that is no spool."""
        with self.lock:
            self._note(error)
            self.set_aside += 1
            spool_folder.set_aside(claim.path)
            claim.release(remove=True)

    def leave(self, claim: spool_folder.Claim, spool: Spool) -> None:
        """Remove an adopted spool if it is empty by now; one with points in doubt stays."""
        with self.lock:
            is_empty = spool.is_empty()
            if is_empty:
                spool.discard()
                self._adopted_before.discard(claim.path)
            claim.release(remove=is_empty)

    def rescue(self) -> None:
        """Bring to disk what is in memory, for the process ends; count it as lost if that fails."""
        with self.lock:
            if not self._in_memory:
                return
            try:
                self._catch_up()
            except _DISK_ERRORS as error:
                self._note(error)
                lost = self._memory.backlog()
                self._memory.clear()
                self.dropped += Counter(
                    {DISK_FAILED: lost.outcomes, DISK_FAILED_RAW: lost.raw_points}
                )

    def close(self) -> None:
        """Remove the file if nothing waits in it, else leave it to be adopted."""
        with self.lock:
            if self._claim is None:
                return
            try:
                is_empty = self._file.is_empty()
                if is_empty:
                    self._file.discard()
            except _DISK_ERRORS as error:
                self._note(error)
                is_empty = False
            self._claim.release(remove=is_empty)
            self._claim = None

    def forget(self) -> None:
        """In a forked child: leave file and lock to the parent."""
        for claim in (self._claim, self._adopted):
            if claim is not None:
                claim.forget()

    def _ensure_claim(self) -> None:
        if self._claim is None and self._file.path is not None:
            self._claim = spool_folder.claim(self._file.path)
            if self._claim is None:
                raise OSError(f"{self._file.path}: another process has it")

    def _catch_up(self) -> None:
        """Let the file hear what it missed while the disk failed."""
        self._ensure_claim()
        if self._doubted:
            self._file.doubt(self._doubted)
            self._doubted = []
        if self._settled:
            self._file.settle(self._settled, self._doubt_s)
            self._settled = []
        if self._in_memory:
            rows = self._memory.rows()
            self._on_file(lambda: self._file.put_rows(rows, were_sent=True))
            self._memory.clear()
            self._in_memory = False

    def _make_room(self) -> None:
        """Let what is kept be no larger than it may be."""
        for spool in (self._file, self._memory):
            try:
                self.dropped += spool.make_room()
            except _DISK_ERRORS as error:  # then there is no less room than before
                self._note(error)

    def _on_file(self, work: Callable[[], T]) -> T:
        """Do something with the file; if it is damaged, set it aside and begin another."""
        try:
            return work()
        except ForeignSpoolError as error:
            self._note(error)
            self.set_aside += 1
            self._settled, self._doubted = [], []
            if self._file.path is not None and self._file.path.exists():
                spool_folder.set_aside(self._file.path)
            self._file.begin_anew()
            return work()

    def _note(self, error: Exception) -> None:
        if not isinstance(error, ForeignSpoolError):
            self.disk_errors += 1
        self.last_error = f"{type(error).__name__}: {error}"[:500]
