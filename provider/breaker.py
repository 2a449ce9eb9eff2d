"""Breaker: an endpoint that keeps failing is left alone for a while.

closed ── `failures` in a row ──→ open ── `rest_s` later ──→ half-open: one probe
  ↑                                 ↑                            │
  └────────── it answers ───────────┼────────────────────────────┤
                                    └───────── it fails ─────────┘
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from openfeature_triton.provider.fork_lock import ForkLock
from openfeature_triton.provider.service import Service

_log = logging.getLogger(__name__)

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
Key = tuple[str, str]


class Breakers:
    """One circuit breaker per service and endpoint; those that never fail cost a look.

    Args:
        failures: how many failures in a row open a breaker.
        rest_s: how long an open one leaves its endpoint alone before a request probes it; a probe
            of which nothing is heard is followed by another after the same time.
        clock_s: a monotonic clock.
        on_change: is told the service's id, and whether its breaker is now `open` or `closed`.

    `failing` is empty where none has failed since it last answered: then there is nothing to ask.
    """

    def __init__(
        self,
        failures: int,
        rest_s: float,
        clock_s: Callable[[], float] = time.monotonic,
        on_change: Callable[[str, str], None] | None = None,
    ) -> None:
        self._failures = failures
        self._rest_s = rest_s
        self._clock_s = clock_s
        self._on_change = on_change
        self._lock = ForkLock()
        self.failing: dict[Key, _Breaker] = {}
        self._opened = 0

    def allows(self, service: Service) -> bool:
        """Whether a request may go to a service; the one that probes is told so too."""
        breaker = self.failing.get((service.service_id, service.url))
        if breaker is None or breaker.state == CLOSED:
            return True
        with self._lock:
            return self._admit(breaker)

    def judge(self, service: Service, *, failed: bool) -> None:
        """Take note of how an endpoint did."""
        if not failed and not (self.failing and self._has_failed(service.service_id)):
            return
        key = (service.service_id, service.url)
        with self._lock:
            if failed:
                changed = self._fail(self.failing.setdefault(key, _Breaker()))
            else:
                changed = self._forget(service.service_id)
        if changed:
            state = OPEN if failed else CLOSED
            _log.warning(
                "service %s %s",
                service.service_id,
                f"fails: it is left alone for {self._rest_s:g} s" if failed else "answers again",
                extra={"service_id": service.service_id, "breaker": state},
            )
            if self._on_change is not None:
                self._on_change(service.service_id, state)

    def states(self) -> Mapping[str, str]:
        """The state of each service's breaker that is not closed."""
        with self._lock:
            return {
                service_id: breaker.state
                for (service_id, _), breaker in self.failing.items()
                if breaker.state != CLOSED
            }

    @property
    def opened(self) -> int:
        """How often a breaker opened."""
        return self._opened

    def _has_failed(self, service_id: str) -> bool:
        return any(key[0] == service_id for key in tuple(self.failing))  # a copy: no lock is held

    def _admit(self, breaker: _Breaker) -> bool:
        now_s = self._clock_s()
        if now_s < breaker.until_s:
            return False
        breaker.state = HALF_OPEN
        breaker.until_s = now_s + self._rest_s
        return True

    def _forget(self, service_id: str) -> bool:
        """Forget a service's failures, those at endpoints it had before too; says if one rested."""
        known = [key for key in self.failing if key[0] == service_id]
        states = [self.failing.pop(key).state for key in known]
        return any(state != CLOSED for state in states)

    def _fail(self, breaker: _Breaker) -> bool:
        """Count a failure; says whether the breaker opened."""
        breaker.failures += 1
        if breaker.state == OPEN or breaker.failures < self._failures:
            return False
        changed = breaker.state == CLOSED
        breaker.state, breaker.until_s = OPEN, self._clock_s() + self._rest_s
        self._opened += 1
        return changed


class _Breaker:
    """What is known of one failing endpoint."""

    __slots__ = ("failures", "state", "until_s")

    def __init__(self) -> None:
        self.failures = 0
        self.state = CLOSED
        self.until_s = 0.0
