"""Limits: how much somebody may ask for, and how often somebody may guess."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

_MAX_KEYS = 10_000


class RateLimit:
    """A bucket of `burst` that refills by `per_s`, one for each key.

    Args:
        per_s: how much each second brings.
        burst: how much there may be at once.
        clock_s: a monotonic clock.
    """

    def __init__(
        self, per_s: float, burst: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._clock_s = per_s, burst, clock_s
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: Hashable, amount: float) -> float:
        """Take an amount: 0 if it was there, else after how many seconds it will be."""
        now_s = self._clock_s()
        with self._lock:
            level, then_s = self._buckets.get(key, (self._burst, now_s))
            level = min(self._burst, level + (now_s - then_s) * self._per_s)
            missing = min(amount, self._burst) - level
            if missing <= 0:
                level -= amount
            self._buckets[key] = (level, now_s)
        return max(missing, 0.0) / self._per_s


@dataclass
class Lockout:
    """Locks a key for `lock_s` once it has failed `failures` times within `lock_s`."""

    failures: int
    lock_s: float = 900.0
    clock_s: Callable[[], float] = time.monotonic
    _failed: dict[Hashable, list[float]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def left_s(self, key: Hashable) -> float:
        """Give for how many seconds a key is locked; 0 if it is not."""
        with self._lock:
            times_s = self._recent(key)
            if len(times_s) < self.failures:
                return 0.0
            return times_s[-1] + self.lock_s - self.clock_s()

    def fail(self, key: Hashable) -> None:
        """Count a failure."""
        with self._lock:
            times_s = self._recent(key)
            self._failed.pop(key, None)
            self._failed[key] = [*times_s, self.clock_s()][-self.failures :]
            while len(self._failed) > _MAX_KEYS:  # the oldest go first
                self._failed.pop(next(iter(self._failed)))

    def forgive(self, key: Hashable) -> None:
        """Forget a key's failures."""
        with self._lock:
            self._failed.pop(key, None)

    def _recent(self, key: Hashable) -> list[float]:
        since_s = self.clock_s() - self.lock_s
        return [each for each in self._failed.get(key, ()) if each > since_s]
