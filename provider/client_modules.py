"""Client modules: tritonclient's, imported before a request needs them.

Importing takes 0.1 to 0.2 s a protocol, for which no request and no event loop should wait. So it
is done at the start for HTTP, and for gRPC where a service that speaks it becomes known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import import_module

from openfeature_triton.provider.service import Service

_log = logging.getLogger(__name__)


def import_http() -> None:
    """Import what HTTP needs."""
    import_module("tritonclient.http.aio")


def import_clients_of(services: Iterable[Service]) -> None:
    """Import what services need beside HTTP; what is missing is said again by the first call."""
    if any(service.protocol == "grpc" for service in services):
        try:
            import_module("tritonclient.grpc.aio")
            import_module("openfeature_triton.provider.grpc_clients")
        except ImportError as missing:
            _log.warning("no gRPC client of Triton can be made: %s", missing)
