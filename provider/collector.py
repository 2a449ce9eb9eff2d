"""Python's garbage collector, held still while many objects are made that all stay.

Reading and compiling thousands of flags makes some hundred thousand objects, none of them garbage.
The collector would go through all of them time and again, each time in one go that no request gets
past, and take longer than reading and compiling together.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from openfeature_triton.provider.fork_lock import ForkLock

_REST = 4
_LONGEST_REST_S = 1.0


class _Collector:
    """The process's one collector: who holds it still, and who sets it going again."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._holders = 0
        self._since_s = self._next_s = 0.0
        os.register_at_fork(after_in_child=self._go_on_in_child)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Collect nothing meanwhile; all that lives at the end is taken for old, unlooked at.

        What is taken for old does not count towards the next full collection, so the collector is
        left to itself for most of the time, whatever there is to do.
        """
        held = self._hold()
        try:
            yield
        finally:
            if held:
                self._let_go()

    def _hold(self) -> bool:
        with self._lock:
            is_due = monotonic() >= self._next_s
            if not self._holders:
                if not is_due or not gc.isenabled():  # it may be still by somebody else's will
                    return False
                self._since_s = monotonic()
            self._holders += 1
            gc.disable()
            return True

    def _let_go(self) -> None:
        with self._lock:
            self._holders = max(0, self._holders - 1)
            if self._holders:
                return
            if gc.get_freeze_count() == 0:  # else what somebody has frozen would thaw
                gc.freeze()
                gc.unfreeze()
            gc.enable()
            self._next_s = monotonic() + min(_REST * (monotonic() - self._since_s), _LONGEST_REST_S)

    def _go_on_in_child(self) -> None:
        """A forked child has not the thread that would set it going."""
        if self._holders:
            self._holders = 0
            gc.enable()


collector = _Collector()
