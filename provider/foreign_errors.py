"""The one seam where foreign exceptions become the error classes that are recorded."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import socket
from collections.abc import Iterator

ERROR_CLASSES = (
    "timeout",
    "unreachable",
    "unauthorised",
    "invalid_request",
    "server_error",
    "cancelled",
    "other",
)

_CANCELLED = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
_TIMEOUTS = (TimeoutError, socket.timeout, asyncio.TimeoutError, concurrent.futures.TimeoutError)
_TIMEOUT_NAMES = ("ConnectTimeout", "ReadTimeout", "ServerTimeoutError", "Timeout")
_GRPC_STATUS = {
    "DEADLINE_EXCEEDED": "timeout",
    "UNAVAILABLE": "unreachable",
    "UNAUTHENTICATED": "unauthorised",
    "PERMISSION_DENIED": "unauthorised",
    "CANCELLED": "cancelled",
    "INVALID_ARGUMENT": "invalid_request",
    "NOT_FOUND": "invalid_request",
    "OUT_OF_RANGE": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "UNIMPLEMENTED": "invalid_request",
    "INTERNAL": "server_error",
    "UNKNOWN": "server_error",
    "RESOURCE_EXHAUSTED": "server_error",
    "DATA_LOSS": "server_error",
    "ABORTED": "server_error",
}
_HTTP_STATUS = {
    "401": "unauthorised",
    "403": "unauthorised",
    "408": "timeout",
    "499": "timeout",
    "504": "timeout",
}


def error_class(error: BaseException) -> str:
    """Name what an inference died of, one of `ERROR_CLASSES`; never raises.

    The cause of an exception counts where the exception itself says nothing: services wrap.
    """
    for each in _chain(error):
        found = _class_of(each)
        if found != "other":
            return found
    return "other"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what it was raised from, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _class_of(error: BaseException) -> str:
    if isinstance(error, _CANCELLED):
        return "cancelled"
    if isinstance(error, _TIMEOUTS) or type(error).__name__ in _TIMEOUT_NAMES:
        return "timeout"
    if isinstance(error, (OSError, http.client.HTTPException)):
        return "unreachable"
    if type(error).__name__ == "InferenceServerException":
        return _class_of_triton(error)
    if type(error).__module__.startswith(("geventhttpclient", "aiohttp")):
        return "unreachable"
    return "other"


def _class_of_triton(error: BaseException) -> str:
    """Read an `InferenceServerException`: its status is an HTTP code or a gRPC code's name."""
    status = str(getattr(error, "status", lambda: "")() or "")
    name = status.rpartition(".")[2]
    if name in _GRPC_STATUS:
        return _GRPC_STATUS[name]
    if status in _HTTP_STATUS:
        return _HTTP_STATUS[status]
    if status.startswith("4"):
        return "invalid_request"
    if status.startswith("5"):
        return "server_error"
    if isinstance(error.__context__, OSError) or "obtain inference response" in str(error):
        return "timeout"
    return "invalid_request"  # raised by the client itself, before anything was sent
