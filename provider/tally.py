"""Tally: counts by name, and says a trouble at most once a minute."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping

from openfeature_triton.provider.errors import ProviderError
from openfeature_triton.provider.fork_lock import ForkLock

_QUIET_S = 60.0


class Tally:
    """Counts that many threads raise, and a log that a failing dependency can't flood."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = ForkLock()
        self._counts: dict[str, int] = {}
        self._said: dict[str, tuple[float, int]] = {}

    def count(self, name: str) -> None:
        """Raise one count."""
        with self._lock.lock:
            self._counts[name] = self._counts.get(name, 0) + 1

    def counts(self) -> Mapping[str, int]:
        """A copy of all counts."""
        with self._lock:
            return dict(self._counts)

    def trouble(self, message: str) -> None:
        """Count a trouble; log it at most once a minute, with the count since then.

        Of the present exception the log has the class alone, as its text may hold anything (that
        of our own errors is safe, and told); the traceback is there at DEBUG.
        """
        now = time.monotonic()
        with self._lock:
            total = self._counts[message] = self._counts.get(message, 0) + 1
            said_at, said_total = self._said.get(message, (-_QUIET_S, 0))
            if now - said_at < _QUIET_S:
                return
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
