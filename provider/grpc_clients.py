"""GrpcClients: one gRPC client per service, which all threads share.

Importing this loads tritonclient.grpc, through the grpcio that flagd's provider brings.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any

from tritonclient.grpc import InferenceServerClient

from openfeature_triton.provider.credential_plugin import CredentialPlugin
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.service import Service, check_service


class GrpcClients:
    """A pool by service id; a service whose record has changed gets a new client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pooled: dict[str, tuple[Service, Any]] = {}
        self._of_parent: list[Any] = []

    def get(self, service: Service) -> Any:
        """Give the `tritonclient.grpc.InferenceServerClient` of a service; InvalidServiceError."""
        pooled = self._pooled.get(service.service_id)
        if pooled is None or pooled[0] is not service:
            pooled = self._renew(service)
        return pooled[1]

    def _renew(self, service: Service) -> tuple[Service, Any]:
        check_service(service)
        with self._lock:
            known = self._pooled.get(service.service_id)
            same = known is not None and known[0] == service
            # A stale one closes itself when the last thread has let go of it.
            client = known[1] if known is not None and same else _connect(service)
            pooled = self._pooled[service.service_id] = (service, client)
        return pooled

    def close(self) -> None:
        """Close every client; a later call makes new ones."""
        with self._lock:
            pooled, self._pooled = self._pooled, {}
        for _, client in pooled.values():
            client.close()

    def start_anew(self) -> None:
        """In a forked child: leave the parent's channels alone, unused and not closed."""
        self._lock = threading.Lock()
        self._of_parent += [client for _, client in self._pooled.values()]
        self._pooled = {}


def _connect(service: Service) -> Any:
    client = InferenceServerClient(service.url)
    if service.credential is not None:
        client.register_plugin(CredentialPlugin(service))
    return client


class BoundedClient:
    """A shared gRPC client for one call: each of its requests ends with the call's deadline."""

    def __init__(self, client: Any, deadline: Deadline) -> None:
        self._client = client
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._bounded(found) if _takes_timeout(self._client.__class__, name) else found

    def _bounded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            """Ask, and be answered by the deadline or the caller's own time-out."""
            left_s = self._deadline.left_s()
            given_s = kwargs.get("client_timeout")
            kwargs["client_timeout"] = left_s if given_s is None else min(given_s, left_s)
            return method(*args, **kwargs)

        return bounded


@lru_cache(maxsize=256)
def _takes_timeout(kind: Hashable, name: str) -> bool:
    """Whether a method bounds its whole request by `client_timeout` seconds."""
    method = getattr(kind, name, None)
    return callable(method) and "client_timeout" in inspect.signature(method).parameters
