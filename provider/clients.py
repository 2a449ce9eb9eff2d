"""TritonClients: pooled tritonclient clients that carry their service's credential."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings


class TritonClients:
    """One HTTP client per service and thread, made when first asked for.

    tritonclient's HTTP client belongs to the thread that made it. A client is made anew when its
    service's record has changed, and in a forked child; those of ended threads are closed.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        self._connect_timeout_s = settings.connect_timeout_s
        self._network_timeout_s = settings.network_timeout_s
        self._local = _ClientsOfThread()
        self._made: weakref.WeakSet[_Pooled] = weakref.WeakSet()
        self._lock = threading.Lock()

    def http(self, service: Service) -> Any:
        """Give this thread's `tritonclient.http.InferenceServerClient` of a service."""
        pooled = self._local.clients.get(service.service_id)
        if pooled is None or pooled.service is not service or pooled.pid != os.getpid():
            pooled = self._renew(service, pooled)
        return pooled.client

    def close(self) -> None:
        """Close every client, of whatever thread; a later call makes new ones."""
        with self._lock:
            made, self._made = self._made, weakref.WeakSet()
            self._local = _ClientsOfThread()
        for pooled in made:
            pooled.close()

    def _renew(self, service: Service, stale: _Pooled | None) -> _Pooled:
        if stale is not None and stale.service == service and stale.pid == os.getpid():
            stale.service = service  # the registry was read again, and nothing has changed
            return stale
        if stale is not None:
            stale.close()
        pooled = _Pooled(service, self._connect(service))
        self._local.clients[service.service_id] = pooled
        with self._lock:
            self._made.add(pooled)
        return pooled

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


class CredentialPlugin:
    """Puts a service's credential into the header of each request of a tritonclient."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, request: Any) -> None:
        """Called by tritonclient with a request whose `headers` are a dict."""
        credential = self._service.credential
        if credential is not None:
            request.headers[self._service.credential_header] = credential.get_secret_value()


class _Pooled:
    """A client and what it was made for."""

    def __init__(self, service: Service, client: Any) -> None:
        self.service = service
        self.client = client
        self.pid = os.getpid()

    def close(self) -> None:
        """Close the client, unless it is the parent process's."""
        if self.pid == os.getpid():
            self.client.close()


class _ClientsOfThread(threading.local):
    """The clients of one thread, by service id; gone, and so closed, with the thread."""

    def __init__(self) -> None:
        self.clients: dict[str, _Pooled] = {}
