"""ServiceCache: the registry's services in memory, read again off the request's path."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping

from openfeature_triton.provider.errors import KeyringError
from openfeature_triton.provider.registry import Registry
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally

_log = logging.getLogger(__name__)


class ServiceCache:
    """All services of a registry, at most `ttl_s` old while the registry answers.

    `get` looks into a dictionary: it never blocks and never raises. A thread reads the registry
    again; while that fails, the last known services stay, and the failure is counted and logged
    once a minute.
    """

    def __init__(self, registry: Registry, ttl_s: float = 30.0) -> None:
        self._registry = registry
        self._ttl_s = ttl_s
        self._services: Mapping[str, Service] = {}
        self._read_at: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._tally = Tally(_log)
        _after_fork(self)

    def start(self) -> None:
        """Read the registry now and from now on. Raises RegistryError, KeyringError at first."""
        self._closed.clear()
        self._registry.require()
        self._read()
        self._watch()

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

    def _watch(self) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._closed,), name="oft-services", daemon=True
        )
        self._thread.start()

    def _run(self, closed: threading.Event) -> None:
        while not closed.wait(self._ttl_s):
            try:
                self._read()
            except Exception:  # noqa: BLE001 - the thread must outlive whatever a database raises
                self._tally.trouble("the registry could not be read; the last known services stay")

    def _read(self) -> None:
        loaded = self._registry.load()
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

    def _start_again(self) -> None:
        """A forked child has the services but neither thread nor connections of its own."""
        if self._thread is None or self._closed.is_set():
            return
        self._registry.forget_connections()
        self._closed = threading.Event()
        self._watch()


def _after_fork(cache: ServiceCache) -> None:
    """Wake the cache in each forked child, without keeping it alive."""
    reference = weakref.ref(cache)

    def wake() -> None:
        living = reference()
        if living is not None:
            living._start_again()

    os.register_at_fork(after_in_child=wake)
