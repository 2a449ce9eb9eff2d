"""Timers: cut off whatever waits too long in one loop, gevent's or asyncio's, by one bell.

A native timer for each call costs more than all else that bounds it. Calls are much shorter than
their deadlines; so each loop has one native timer, which rings no later than the soonest deadline
of those that it was ever set for, looks who is still there, and is set for the next.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from openfeature_triton.provider.deadline import Deadline


class Timer(ABC):
    """One call's deadline, for whoever is running when it is made."""

    __slots__ = ("_running", "at_s")

    def __init__(self, deadline: Deadline, running: set[Any]) -> None:
        self.at_s = deadline.at_s
        self._running = running

    def stop(self) -> None:
        """Let the call go on, or be over."""
        self._running.discard(self)

    def expire(self) -> None:
        """In the loop: end the call's waiting, if it still runs."""
        if self in self._running:
            self.stop()
            self._cut_off()

    @abstractmethod
    def _cut_off(self) -> None:
        """End the call's waiting."""

    @abstractmethod
    def raised(self, error: BaseException | None) -> bool:
        """Whether this timer's end is what an exception tells of."""


T = TypeVar("T", bound=Timer)


class Timers(ABC, Generic[T]):
    """The deadlines of the calls that run in one loop, used in its thread alone.

    Args:
        new_timer: makes the timer of a call.
    """

    def __init__(self, new_timer: Callable[[Deadline, set[T]], T]) -> None:
        self._new_timer = new_timer
        self._running: set[T] = set()
        self._rings_at_s = math.inf

    def start(self, deadline: Deadline) -> T:
        """Cut the present task or greenlet off at a deadline, unless it is stopped before."""
        timer = self._new_timer(deadline, self._running)
        self._running.add(timer)
        if timer.at_s < self._rings_at_s:
            self._set(timer.at_s)
        return timer

    def close(self) -> None:
        """Ring no more; who still runs is not cut off any more."""
        self._rings_at_s = math.inf
        self._take_down()

    def _set(self, at_s: float) -> None:
        self.close()
        self._rings_at_s = at_s
        self._hang_up(max(at_s - time.monotonic(), 0.0))

    def _ring(self) -> None:
        """In the loop: cut off whose time is up, and wait for the others."""
        self.close()
        now_s, running = time.monotonic(), tuple(self._running)
        for timer in running:
            if timer.at_s <= now_s:
                self._soon(timer.expire)
        later = [timer.at_s for timer in running if timer.at_s > now_s]
        if later:
            self._set(min(later))

    @abstractmethod
    def _hang_up(self, delay_s: float) -> None:
        """Let the loop call `_ring` so much later."""

    @abstractmethod
    def _take_down(self) -> None:
        """Free what was hung up, if anything was."""

    @abstractmethod
    def _soon(self, callback: Callable[[], None]) -> object:
        """Let the loop call something in its next turn."""
