"""ServiceCache: the registry's services in memory, read again off the request's path."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial

from openfeature_triton.provider.client_modules import import_clients_of
from openfeature_triton.provider.errors import KeyringError, RegistryUnavailableError
from openfeature_triton.provider.registry import Registry
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
_PAUSE_S = 2.0
_ANSWER_S = 15.0  # more than a connection and a lock are waited for together


class ServiceCache:
    """All services of a registry, at most `ttl_s` old while the registry answers.

    `get` looks into a dictionary: it never blocks and never raises. A thread reads the registry
    again; while that fails, or hangs, the last known services stay, and the failure is counted and
    logged once a minute.
    """

    def __init__(self, registry: Registry, ttl_s: float = 30.0) -> None:
        self._registry = registry
        self._ttl_s = ttl_s
        self._services: Mapping[str, Service] = {}
        self._read_at: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._reader: Future[None] | None = None
        self._on_recovery: Callable[[], object] = lambda: None
        self._reading = threading.RLock()
        self._pauses: dict[int, bool] = {}
        self._tally = Tally(_log)
        _watch_forks(self)

    def start(self, on_recovery: Callable[[], object] = lambda: None) -> None:
        """Read the registry now and from now on. Raises RegistryError, KeyringError at first.

        It is held up for a quarter of a minute at most, by a server that hangs. What it raises, it
        goes on trying off the request's path; once that goes well, `on_recovery` is called, in a
        thread of the cache's.
        """
        self._closed.clear()
        self._on_recovery = on_recovery
        recovers = True
        try:
            self._read()
            recovers = False
        finally:
            self._watch(recovers=recovers)

    def get(self, service_id: str, /) -> Service | None:
        """The service, or None if the registry has none of that id."""
        return self._services.get(service_id)

    def services(self) -> tuple[Service, ...]:
        """All services that are known."""
        return tuple(self._services.values())

    def age_s(self) -> float | None:
        """How long ago the registry was last read; None if it never was."""
        return None if self._read_at is None else time.monotonic() - self._read_at

    def counts(self) -> Mapping[str, int]:
        """How often reading went well or failed."""
        return self._tally.counts()

    def close(self) -> None:
        """Stop reading, and close the registry's connections."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(1.0)
        self._registry.close()

    def _watch(self, *, recovers: bool) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._closed, recovers), name="oft-services", daemon=True
        )
        self._thread.start()

    def _run(self, closed: threading.Event, recovers: bool) -> None:
        while not closed.wait(min(self._ttl_s, _RETRY_S) if recovers else self._ttl_s):
            try:
                self._read()
                if recovers:
                    _log.info("the registry can be read now")
                    self._on_recovery()
                recovers = False
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a database raises
                self._tally.trouble("the registry could not be read; the last known services stay")

    def _read(self) -> None:
        """Read the registry, in a thread that is waited for within bounds.

        No time-out of a driver ends the waiting for a server whose process was stopped in the
        middle of an answer. The next look then waits for the same thread: there is never another.
        """
        reader = self._reader
        if reader is None or reader.done():
            reader = self._reader = Future()
            threading.Thread(
                target=self._read_into, args=(reader,), name="oft-registry", daemon=True
            ).start()
        if not wait((reader,), _ANSWER_S).done:
            raise RegistryUnavailableError(
                f"the registry {self._registry.name} has not answered for {_ANSWER_S:g} s — "
                "check its server"
            )
        reader.result()

    def _read_into(self, outcome: Future[None]) -> None:
        try:
            self._take()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    def _take(self) -> None:
        with self._reading:
            if self._read_at is None:
                self._registry.require()
            loaded = self._registry.load()
        import_clients_of(loaded.services)
        self._services = {service.service_id: service for service in loaded.services}
        for error in loaded.refused:
            self._leave_out(error)
        self._read_at = time.monotonic()
        self._tally.count("registry_read")

    def _leave_out(self, error: KeyringError) -> None:
        """Count and log a service whose credential can't be opened; the others are served."""
        try:
            raise error
        except KeyringError:
            self._tally.trouble("a service was left out, its credential can't be opened")

    def _before_fork(self) -> None:
        """Wait, within bounds, for a read to end, and let none begin.

        A child that is forked in the middle of one would find the mutexes of SQLite's library
        locked by a thread that it does not have.
        """
        self._pauses[threading.get_ident()] = self._reading.acquire(timeout=_PAUSE_S)

    def _after_fork_in_parent(self) -> None:
        """Let reads begin again."""
        if self._pauses.pop(threading.get_ident(), False):
            self._reading.release()

    def _after_fork_in_child(self) -> None:
        """A forked child has the services but neither thread nor connections of its own."""
        self._reading, self._pauses, self._reader = threading.RLock(), {}, None
        if self._thread is None or self._closed.is_set():
            return
        self._registry.forget_connections()
        self._closed = threading.Event()
        self._watch(recovers=self._read_at is None)


def _watch_forks(cache: ServiceCache) -> None:
    """Tell the cache of each fork, without keeping it alive."""
    reference = weakref.ref(cache)

    def tell(what: str) -> None:
        """Call a method of the cache, if it still lives."""
        living = reference()
        if living is not None:
            getattr(living, what)()

    os.register_at_fork(
        before=partial(tell, "_before_fork"),
        after_in_parent=partial(tell, "_after_fork_in_parent"),
        after_in_child=partial(tell, "_after_fork_in_child"),
    )
