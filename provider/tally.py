"""Tally: counts by name, and says a trouble at most once a minute."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Mapping

from openfeature_triton.provider.errors import ProviderError
from openfeature_triton.provider.fork_lock import ForkLock

_QUIET_S = 60.0
_NEVER = (-_QUIET_S, 0)


class Tally:
    """Counts that many threads raise, and a log that a failing dependency can't flood.

    To count, no thread waits for another: the next number of an `itertools.count` is one step under
    the interpreter's lock. Who waits for a lock gives that one up, too, and in a busy process has
    it back only 5 ms later.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = ForkLock()
        self._counts: dict[str, itertools.count[int]] = {}
        self._said: dict[str, tuple[float, int]] = {}

    def count(self, name: str) -> None:
        """Raise one count."""
        counter = self._counts.get(name)
        if counter is None:
            counter = self._counts.setdefault(name, itertools.count())
        next(counter)

    def counts(self) -> Mapping[str, int]:
        """A copy of all counts."""
        return {name: _reached(counter) for name, counter in self._counts.copy().items()}

    def trouble(self, message: str) -> None:
        """Count a trouble; log it at most once a minute, with the count since then.

        Of the present exception the log has the class alone, as its text may hold anything (that
        of our own errors is safe, and told); the traceback is there at DEBUG.
        """
        self.count(message)
        now = time.monotonic()
        if not self._is_due(message, now):
            return
        with self._lock:
            if not self._is_due(message, now):
                return
            total = _reached(self._counts[message])
            _, said_total = self._said.get(message, _NEVER)
            self._said[message] = (now, total)
        error, count = sys.exc_info()[1], total - said_total
        self._log.warning(
            "%s: %s (%d since last said)",
            message,
            error if isinstance(error, ProviderError) else type(error).__name__,
            count,
            extra={"trouble": message, "error_type": type(error).__name__, "count": count},
        )
        self._log.debug("%s", message, exc_info=True)

    def _is_due(self, message: str, now: float) -> bool:
        """Whether a trouble was not said for long enough."""
        said_at, _ = self._said.get(message, _NEVER)
        return now - said_at >= _QUIET_S


def _reached(counter: itertools.count[int]) -> int:
    """What a counter has come to; to ask it for a number would raise it."""
    return int(repr(counter).removeprefix("count(").removesuffix(")"))
