"""The one seam that maps what others raise to an error class.

Classes are told by their qualified names along the method resolution order, so nothing is
imported here: a service that never speaks gRPC never loads it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

TIMEOUT = "timeout"
UNREACHABLE = "unreachable"
UNAUTHORISED = "unauthorised"
INVALID_REQUEST = "invalid_request"
SERVER_ERROR = "server_error"
CANCELLED = "cancelled"
OTHER = "other"

ERROR_CLASSES = (
    TIMEOUT,
    UNREACHABLE,
    UNAUTHORISED,
    INVALID_REQUEST,
    SERVER_ERROR,
    CANCELLED,
    OTHER,
)

BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        "builtins.TimeoutError": TIMEOUT,  # socket.timeout too, from Python 3.10
        "asyncio.exceptions.TimeoutError": TIMEOUT,  # builtins.TimeoutError from Python 3.11
        "concurrent.futures._base.TimeoutError": TIMEOUT,
        "gevent.timeout.Timeout": TIMEOUT,
        "aiohttp.client_exceptions.ServerTimeoutError": TIMEOUT,
        "builtins.ConnectionError": UNREACHABLE,
        "socket.gaierror": UNREACHABLE,
        "socket.herror": UNREACHABLE,
        "ssl.SSLError": UNREACHABLE,
        "http.client.HTTPException": UNREACHABLE,  # geventhttpclient's too: cut off, not HTTP
        "aiohttp.client_exceptions.ClientConnectionError": UNREACHABLE,
        "aiohttp.client_exceptions.InvalidURL": INVALID_REQUEST,
        "aiohttp.client_exceptions.ClientPayloadError": UNREACHABLE,  # cut off
        "aiohttp.client_exceptions.ClientResponseError": SERVER_ERROR,
        "rapidjson.JSONDecodeError": SERVER_ERROR,  # what tritonclient reads answers with
        "asyncio.exceptions.CancelledError": CANCELLED,
        "concurrent.futures._base.CancelledError": CANCELLED,
        "greenlet.GreenletExit": CANCELLED,
        "builtins.KeyboardInterrupt": CANCELLED,
        "builtins.SystemExit": CANCELLED,
        "builtins.GeneratorExit": CANCELLED,
    }
)

_BY_GRPC_CODE: Mapping[str, str] = MappingProxyType(
    {
        "DEADLINE_EXCEEDED": TIMEOUT,
        "UNAVAILABLE": UNREACHABLE,
        "UNAUTHENTICATED": UNAUTHORISED,
        "PERMISSION_DENIED": UNAUTHORISED,
        "INVALID_ARGUMENT": INVALID_REQUEST,
        "NOT_FOUND": INVALID_REQUEST,
        "ALREADY_EXISTS": INVALID_REQUEST,
        "FAILED_PRECONDITION": INVALID_REQUEST,
        "OUT_OF_RANGE": INVALID_REQUEST,
        "CANCELLED": CANCELLED,
        "UNKNOWN": SERVER_ERROR,
        "RESOURCE_EXHAUSTED": SERVER_ERROR,
        "ABORTED": SERVER_ERROR,
        "UNIMPLEMENTED": SERVER_ERROR,
        "INTERNAL": SERVER_ERROR,
        "DATA_LOSS": SERVER_ERROR,
    }
)

_UNREACHABLE_ERRNOS = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
)


def error_class(error: BaseException) -> str:
    """Name what an inference died of, one of `ERROR_CLASSES`; never raises.

    The cause of an exception counts where the exception itself says nothing: services wrap.
    """
    try:
        found = (_class_of(each) for each in _chain(error))
        return next((each for each in found if each != OTHER), OTHER)
    except Exception:  # noqa: BLE001 - an exception may have methods of its own that raise
        return OTHER


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what it was raised from, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _class_of(error: BaseException) -> str:
    for kind in type(error).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in BY_NAME:
            return BY_NAME[name]
        if name in _BY_CONTENT:
            return _BY_CONTENT[name](error)
    return OTHER


def _of_triton(error: Any) -> str:
    """`InferenceServerException`: an HTTP status, a gRPC one, or none if it came from the client.

    Without a status, tritonclient refused the arguments before anything was sent, or an
    asynchronous request had no answer in time.
    """
    status, message = error.status(), str(error.message() or "")
    if status is None:
        return TIMEOUT if message == "failed to obtain inference response" else INVALID_REQUEST
    status = str(status)
    if status.isdecimal():
        return _of_http(int(status))
    return _of_grpc(status, message)


def _of_http(status: int) -> str:
    if status in (401, 403, 407):
        return UNAUTHORISED
    if status in (408, 504):
        return TIMEOUT
    if status == 499:
        return CANCELLED
    if status == 429 or status >= 500:
        return SERVER_ERROR
    return INVALID_REQUEST if status >= 400 else OTHER


def _of_rpc(error: Any) -> str:
    """A bare `grpc.RpcError`; most carry a code."""
    code = getattr(error, "code", None)
    if not callable(code):
        return OTHER
    details = getattr(error, "details", None)
    return _of_grpc(str(code()), str(details() if callable(details) else ""))


def _of_grpc(code: str, message: str) -> str:
    """A code as `StatusCode.UNAVAILABLE`."""
    if "protocol is restricted" in message:
        return UNAUTHORISED  # Triton says UNAVAILABLE where its restricted header is wrong
    return _BY_GRPC_CODE.get(code.removeprefix("StatusCode."), OTHER)


def _of_os(error: Any) -> str:
    """An `OSError` that is no `ConnectionError`: the network's, or the service's own files."""
    return UNREACHABLE if error.errno in _UNREACHABLE_ERRNOS else OTHER


_BY_CONTENT: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "tritonclient.utils.InferenceServerException": _of_triton,
        "grpc.RpcError": _of_rpc,
        "builtins.OSError": _of_os,
    }
)
