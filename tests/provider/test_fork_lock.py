"""ForkLock: what another thread holds at a fork does not hang the child."""

from __future__ import annotations

import logging
import os
import signal
import threading

from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.fork_lock import ForkLock
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally


def _fork_while_held(lock: ForkLock, use: object) -> int:
    """Fork while another thread holds a lock; gives the child's exit code after its `use`."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        signal.alarm(5)
        assert callable(use)
        use()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done.set()
    thread.join()
    return code


def test_a_child_finds_the_lock_open() -> None:
    """Although its holder was in the middle of something."""
    lock = ForkLock()
    assert _fork_while_held(lock, lock.__enter__) == 0


def test_counting_and_breakers_go_on_in_a_child() -> None:
    """A preloaded worker's first request hangs on no lock of its parent."""
    tally = Tally(logging.getLogger(__name__))
    assert _fork_while_held(tally._lock, lambda: tally.count("x")) == 0
    breakers = Breakers(1, 1.0)
    service = Service("a", "asr", "127.0.0.1:9", "m")
    assert _fork_while_held(breakers._lock, lambda: breakers.judge(service, failed=True)) == 0
