"""Patience: when InfluxDB is tried again after trouble, and what the log is told of it.

The wait between two tries grows to a minute. In between, a lone point is sent now and then, which
costs InfluxDB next to nothing, and where it is taken the wait is over. Not so where the answer said
to wait (429, `Retry-After`), nor where a lone point was taken and then all of them were not.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from openfeature_triton.hooks.influx_writer import Answer, Verdict
from openfeature_triton.hooks.settings import InfluxSettings

_log = logging.getLogger(__name__)

MAX_DELAY_S = {Verdict.LATER: 60.0, Verdict.NOT_ALLOWED: 5.0, Verdict.UNREACHABLE: 2.0}
"""How long is waited between two tries at most; `Retry-After` is obeyed up to the first."""

LONE_S = 1.25
"""How long after the last try a lone point is sent, and how long that may take."""

_REMIND_S = 60.0

DELIVERING = "delivering"


class Patience:
    """Says when to try: all again, or a lone point.

    Args:
        influx: whose token, if it was refused and is another one now, is tried at once.
        clock_s: the monotonic clock.
    """

    def __init__(
        self, influx: InfluxSettings, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.state = DELIVERING
        self._clock_s = clock_s
        self._influx = influx
        self._failures = 0
        self._failed_token = ""
        self._due_s = self._clock_s()
        self._lone_due_s = 0.0
        self._may_be_cut_short = False
        self._was_cut_short = False
        self._reminded_s = 0.0

    @property
    def left_s(self) -> float:
        """How long to wait for the next try of all, if nothing happens."""
        return max(self._due_s - self._clock_s(), 0.0)

    def is_over(self) -> bool:
        """Whether to try all: it is time, or there is another token since one was refused."""
        if self._clock_s() >= self._due_s:
            return True
        is_refused = self.state == Verdict.NOT_ALLOWED.value
        return is_refused and self._influx.read_token() != self._failed_token

    def asks_for_a_lone_point(self) -> bool:
        """Whether to try with one point."""
        return self._may_be_cut_short and self._clock_s() >= self._lone_due_s

    def note_lone_point(self, *, taken: bool) -> None:
        """Take note of what became of it: if it was `taken`, all is tried at once."""
        self._lone_due_s = self._clock_s() + LONE_S
        if taken:
            self._was_cut_short = True
            self._due_s = self._clock_s()

    def rest(self, wait_s: float) -> None:
        """Wait, as all was delivered."""
        if self.state != DELIVERING:
            _log.info("InfluxDB is written again, after %d tries", self._failures)
        self.state = DELIVERING
        self._failures = 0
        self._may_be_cut_short = self._was_cut_short = False
        self._due_s = self._clock_s() + wait_s

    def put_off(self, answer: Answer) -> None:
        """Wait longer with each failure in a row."""
        self._failures += 1
        self._failed_token = self._influx.read_token()
        self._say(answer)
        self.state = answer.verdict.value
        says_when = answer.status == 429 or answer.retry_after_s is not None
        is_later = answer.verdict is Verdict.LATER and not says_when
        self._may_be_cut_short = is_later and not self._was_cut_short
        self._was_cut_short = False
        now_s = self._clock_s()
        self._lone_due_s = now_s + LONE_S
        self._due_s = now_s + delay_s(answer, self._failures) * random.uniform(0.8, 1)  # noqa: S311

    def _say(self, answer: Answer) -> None:
        now_s = self._clock_s()
        if self.state == DELIVERING:
            self._reminded_s = now_s
            said = f"{answer.status or 'no answer'}: {answer.message}"
            _log.warning("InfluxDB can't be written (%s); counts are spooled", said)
        elif now_s >= self._reminded_s + _REMIND_S:
            self._reminded_s = now_s
            _log.warning("InfluxDB still can't be written: %d tries so far", self._failures)


def delay_s(answer: Answer, failures: int) -> float:
    """Give how long to wait after an answer that was the n-th failure in a row."""
    most_s = MAX_DELAY_S[answer.verdict]
    if answer.retry_after_s is not None:
        return min(answer.retry_after_s / 0.8, most_s / 0.8)  # obeyed, whatever the jitter
    return min(most_s, 0.25 * 2.0 ** min(failures, 16))
