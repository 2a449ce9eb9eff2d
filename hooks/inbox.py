"""Inbox: where callers leave things and go on. A queue for each key, no lock.

`dict.get`, `dict.setdefault`, and what queues do with their ends, are each one step under the
interpreter's lock, so many threads append while one drains, and a signal handler may do either.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from openfeature_triton.hooks.breath import breathe
from openfeature_triton.hooks.series import MAX_TAG_LENGTH

if TYPE_CHECKING:
    _FloatArray = array[float]
else:
    _FloatArray = array  # which takes no type at run time before Python 3.12

K = TypeVar("K", bound=tuple[str, ...])
T = TypeVar("T")

BASE_ROOM = 512
"""What each queue takes without asking; more is granted in parts, out of one budget."""

GRANT = 16_384
_SMALL_GRANT = 1024

_CROWDED = 8
"""Which part of what may wait is a good part of it."""


class Queue(Protocol[T]):
    """What waits under one key, and how much may."""

    room: int

    def __len__(self) -> int:
        """How much waits."""

    def append(self, thing: T, /) -> None:
        """Let one more wait."""

    def take(self, most: int) -> Sequence[T]:
        """Take out the first ones."""


class Things(deque[T]):
    """A queue of whatever there is."""

    room = BASE_ROOM

    def take(self, most: int) -> list[T]:
        """Take out the first ones."""
        return [*map(deque[T].popleft, repeat(self, min(most, len(self))))]


class Floats(_FloatArray):
    """A queue of floats: 8 bytes each, no objects, taken out by the thousand in one step."""

    __slots__ = ("room",)  # found faster than an attribute
    room: int

    def take(self, most: int) -> array[float]:
        """Take out the first ones."""
        taken = self[:most]
        del self[: len(taken)]
        return taken


def new_floats() -> Floats:
    """Make a queue of floats."""
    queue = Floats("d")
    queue.room = BASE_ROOM
    return queue


@dataclass(slots=True)
class _Entry(Generic[K, T]):
    key: K
    fitted: K
    queue: Queue[T]
    busy: bool = True
    retired: bool = False


class Inbox(Generic[K, T]):
    """Queues by key; bounded in keys and, all together, in what waits.

    Callers look into `queues` themselves; on the first sight of a key they call `open`, and where
    a queue has reached its `room`, `grant`.

    Args:
        new_queue: makes a queue.
        fit: gives the key that a caller's key is counted as.
        collapses: give the keys that take what is beyond the bound, each coarser than the last;
            the last one gives the same key for all.
        max_keys: how many keys are kept apart, and again as many of each collapse.
        max_pending: how much may wait in all, beyond the base of each queue.
    """

    def __init__(
        self,
        new_queue: Callable[[], Queue[T]],
        fit: Callable[[K], K],
        collapses: Sequence[Callable[[K], K]],
        max_keys: int,
        max_pending: int,
    ) -> None:
        self._new_queue = new_queue
        self._fit = fit
        self._collapses = collapses
        self._max_keys = max_keys
        self._max_pending = max_pending
        self._fresh: deque[_Entry[K, T]] = deque()
        self._entries: list[_Entry[K, T]] = []
        self._lock = threading.RLock()
        self._collapsed = 0
        self.queues: dict[K, Queue[T]] = {}

    @property
    def pending(self) -> int:
        """How much waits."""
        return sum(len(entry.queue) for entry in (*self._entries, *self._fresh))

    @property
    def is_crowded(self) -> bool:
        """Whether a good part of what may wait does."""
        return self.pending > self._max_pending // _CROWDED

    @property
    def collapsed(self) -> int:
        """How often a caller's key was beyond the bound and counted under a coarser one."""
        return self._collapsed

    def open(self, key: K) -> Queue[T]:
        """Give the queue of a key that is not in `queues`; raises what a foreign key raises."""
        fitted = self._fit(key)
        own = (
            key
            if all(type(part) is str and len(part) <= MAX_TAG_LENGTH for part in key)
            else fitted
        )
        for times, collapse in enumerate(self._collapses, start=1):
            if own in self.queues or len(self.queues) < times * self._max_keys:
                break
            own = fitted = collapse(fitted)
            if times == 1:
                with self._lock:
                    self._collapsed += 1
        known = self.queues.get(own)
        if known is not None:
            return known
        entry: _Entry[K, T] = _Entry(own, fitted, self._new_queue())
        self._fresh.append(entry)  # first, so that nothing is ever appended unseen
        return self.queues.setdefault(own, entry.queue)

    def grant(self, queue: Queue[T]) -> bool:
        """Let a full queue grow if the budget allows; where little is left of it, by little.

        The caller then lets others run for once. Who never waits, as an event loop that always has
        work, would keep the thread that drains from the interpreter: that thread asks for it only
        after 5 ms in which nobody let go of it, and a loop lets go at each turn, for too short.
        """
        granted = sum(entry.queue.room - BASE_ROOM for entry in (*self._entries, *self._fresh))
        if granted >= self._max_pending:
            return False
        is_crowded = granted > self._max_pending // _CROWDED
        if is_crowded:
            breathe()
        queue.room += min(_SMALL_GRANT if is_crowded else GRANT, self._max_pending - granted)
        return True

    def drain(self, most: int) -> Iterator[tuple[K, Sequence[T]]]:
        """Take out what waits now, in pieces of at most `most`, each with its fitted key."""
        while self._fresh:
            self._entries.append(self._fresh.popleft())
        for entry in self._entries:
            queue, waiting = entry.queue, len(entry.queue)
            entry.busy = entry.busy or waiting > 0
            while waiting > 0:
                taken = queue.take(min(waiting, max(most, GRANT)))
                waiting -= len(taken)
                for start in range(0, len(taken), most):
                    yield entry.fitted, taken[start : start + most]
            queue.room = BASE_ROOM

    def retire(self) -> None:
        """Forget the keys that were idle since the last call.

        A caller may have its queue in hand already, so it is looked at until the next call.
        """
        kept = []
        for entry in self._entries:
            if entry.retired and not entry.busy:
                continue
            if not entry.busy and self.queues.get(entry.key) is entry.queue:
                del self.queues[entry.key]
                entry.retired = True
            entry.busy = False
            kept.append(entry)
        self._entries = kept
