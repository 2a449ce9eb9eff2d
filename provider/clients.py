"""TritonClients: pooled tritonclient clients that carry their service's credential."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any

from openfeature_triton.provider.service import Service, check_service
from openfeature_triton.provider.settings import ProviderSettings


class TritonClients:
    """One HTTP client per service and thread, made when first asked for.

    tritonclient's HTTP client belongs to the thread that made it. A client is made anew when its
    service's record has changed, and in a forked child; those of ended threads are closed.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        self._connect_timeout_s = settings.connect_timeout_s
        self._network_timeout_s = settings.network_timeout_s
        self._of_thread = _OfThread()
        self._all: list[_ThreadsClients] = []
        self._of_parent: list[_ThreadsClients] = []
        self._lock = threading.Lock()
        _after_fork(self)

    def http(self, service: Service) -> Any:
        """Give this thread's `tritonclient.http.InferenceServerClient` of a service.

        Raises InvalidServiceError where the record could not work, before anything is sent.
        """
        mine = self._of_thread.clients
        pooled = None if mine is None else mine.pooled.get(service.service_id)
        if pooled is None or pooled.service is not service:
            pooled = self._renew(service, pooled)
        return pooled.client

    def close(self) -> None:
        """Close every client, of whatever thread; a later call makes new ones."""
        self._reap()
        with self._lock:
            living, self._all = self._all, []
            self._of_thread = _OfThread()
        for each in living:
            each.close()

    def _renew(self, service: Service, stale: _Pooled | None) -> _Pooled:
        if stale is not None and stale.service == service:
            stale.service = service  # the registry was read again, and nothing has changed
            return stale
        check_service(service)
        self._reap()
        mine = self._clients_of_this_thread()
        pooled = mine.pooled[service.service_id] = _Pooled(service, self._connect(service))
        if stale is not None:
            stale.client.close()
        return pooled

    def _clients_of_this_thread(self) -> _ThreadsClients:
        mine = self._of_thread.clients
        if mine is None:
            mine = self._of_thread.clients = _ThreadsClients()
            with self._lock:
                self._all.append(mine)
        return mine

    def _reap(self) -> None:
        """Close what threads that have ended left behind."""
        with self._lock:
            ended = [each for each in self._all if not each.thread.is_alive()]
            self._all = [each for each in self._all if each.thread.is_alive()]
        for each in ended:
            each.close()
            each.destroy_hub()

    def _connect(self, service: Service) -> Any:
        from tritonclient.http import InferenceServerClient  # noqa: PLC0415 - 200 ms, and gevent

        client = InferenceServerClient(
            service.url,
            connection_timeout=self._connect_timeout_s,
            network_timeout=self._network_timeout_s,
        )
        if service.credential is not None:
            client.register_plugin(CredentialPlugin(service))
        return client

    def _start_anew(self) -> None:
        """In a forked child: leave the parent's connections alone, and make gevent usable.

        Without `reinit`, the loop that the forking thread inherits waits for ever, and so do its
        timeouts. The parent's clients are kept, unused: closing them would reach into its loops.
        """
        self._lock = threading.Lock()
        self._of_parent += self._all
        self._all = []
        self._of_thread = _OfThread()
        if "gevent" in sys.modules:
            sys.modules["gevent"].reinit()


class CredentialPlugin:
    """Puts a service's credential into the header of each request of a tritonclient."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, request: Any) -> None:
        """Called by tritonclient with a request whose `headers` are a dict."""
        credential = self._service.credential
        if credential is not None:
            value = _MaskedText(credential.get_secret_value())
            request.headers[self._service.credential_header] = value


class _MaskedText(str):
    """A header's value that shows nothing where headers are printed as a dict, or in a message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


class _Pooled:
    """A client and what it was made for."""

    def __init__(self, service: Service, client: Any) -> None:
        self.service = service
        self.client = client


class _ThreadsClients:
    """The clients of one thread, by service id, and the gevent hub that they run on."""

    def __init__(self) -> None:
        from gevent import get_hub  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

        self.thread = threading.current_thread()
        self.pooled: dict[str, _Pooled] = {}
        self._hub = get_hub()

    def close(self) -> None:
        """Close the clients; none is left."""
        pooled, self.pooled = self.pooled, {}
        for each in pooled.values():
            each.client.close()

    def destroy_hub(self) -> None:
        """Free the hub of an ended thread: gevent keeps its files and its resolver otherwise."""
        self._hub.destroy(destroy_loop=True)


class _OfThread(threading.local):
    """What is this thread's own."""

    clients: _ThreadsClients | None = None


def _after_fork(clients: TritonClients) -> None:
    """Wake the clients in each forked child, without keeping them alive."""
    reference = weakref.ref(clients)

    def wake() -> None:
        living = reference()
        if living is not None:
            living._start_anew()

    os.register_at_fork(after_in_child=wake)
