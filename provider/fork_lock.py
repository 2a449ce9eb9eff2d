"""ForkLock: a lock that a forked child finds open, whoever held it in the parent."""

from __future__ import annotations

import os
import threading
import weakref


class ForkLock:
    """A lock, for `with`; a child of a fork gets a new one, since the holder is not there.

    Reentrant: a signal's handler, or what the garbage collector ends, may run while it is held.
    `lock` is the one in force: `with fork_lock.lock` costs a request less.
    """

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        reference = weakref.ref(self)

        def renew() -> None:
            """In a forked child: an open lock, if this one still lives."""
            living = reference()
            if living is not None:
                living.lock = threading.RLock()

        os.register_at_fork(after_in_child=renew)

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
