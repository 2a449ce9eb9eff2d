"""The seam: what real clients raise against real (small) servers gets the right class."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import gevent  # type: ignore[import-untyped]
import greenlet  # type: ignore[import-untyped]
import grpc
import numpy as np
import pytest
from tritonclient.http import InferInput
from tritonclient.utils import InferenceServerException

from openfeature_triton.provider import (
    ProviderSettings,
    Service,
    TritonClients,
    error_class,
)
from openfeature_triton.provider.foreign_errors import (
    BY_NAME,
    ERROR_CLASSES,
    INVALID_REQUEST,
    OTHER,
)
from openfeature_triton.provider.foreign_frames import empty_client_frames


@contextmanager
def answering(status: int, body: bytes, seen: list[dict[str, str]] | None = None) -> Iterator[str]:
    """A real HTTP server on a free port that answers each POST alike."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if seen is not None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A listening socket whose first connection is treated as `behave` says."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def infer(url: str) -> str:
    """Send one inference there, and class what it raises."""
    clients = TritonClients(ProviderSettings(connect_timeout_s=0.5, network_timeout_s=0.5))
    tensor = InferInput("x", [1], "FP32")
    tensor.set_data_from_numpy(np.ones(1, np.float32))
    try:
        clients.http(Service("s", "asr", url, "m")).infer("m", [tensor])
    except Exception as error:  # noqa: BLE001 - which exception is the question
        return error_class(error)
    finally:
        clients.close()
    return "none"


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (400, b'{"error": "unexpected shape"}', "invalid_request"),
        (401, b"", "unauthorised"),
        (403, b"", "unauthorised"),
        (404, b'{"error": "unknown model"}', "invalid_request"),
        (500, b"<html>oops</html>", "server_error"),
        (429, b'{"error": "too busy"}', "server_error"),
        (503, b'{"error": "busy"}', "server_error"),
        (504, b"", "timeout"),
    ],
)
def test_each_http_status_has_its_class(status: int, body: bytes, name: str) -> None:
    """Status codes as tritonclient's own client raises them."""
    with answering(status, body) as url:
        assert infer(url) == name


def test_nobody_listening_is_unreachable() -> None:
    """A refused connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
    assert infer(url) == "unreachable"


def test_an_unknown_host_is_unreachable() -> None:
    """A name that nobody resolves."""
    assert infer("no-such-host.invalid:8000") == "unreachable"


def test_silence_is_a_timeout() -> None:
    """A server that takes the connection and never answers."""
    done = threading.Event()

    def hold(_: socket.socket) -> None:
        done.wait(10)

    with listening(hold) as url:
        assert infer(url) == "timeout"
        done.set()


def test_a_connection_cut_in_the_middle_is_unreachable() -> None:
    """The answer begins and never ends."""

    def cut(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")

    with listening(cut) as url:
        assert infer(url) == "unreachable"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("StatusCode.UNAVAILABLE", "unreachable"),
        ("StatusCode.DEADLINE_EXCEEDED", "timeout"),
        ("StatusCode.PERMISSION_DENIED", "unauthorised"),
        ("StatusCode.UNAUTHENTICATED", "unauthorised"),
        ("StatusCode.INVALID_ARGUMENT", "invalid_request"),
        ("StatusCode.INTERNAL", "server_error"),
        ("StatusCode.CANCELLED", "cancelled"),
    ],
)
def test_each_grpc_status_has_its_class(status: str, name: str) -> None:
    """Status names as tritonclient's gRPC client raises them."""
    assert error_class(InferenceServerException("", status=status)) == name


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TimeoutError(), "timeout"),
        (asyncio.TimeoutError(), "timeout"),
        (concurrent.futures.TimeoutError(), "timeout"),
        (ConnectionResetError(), "unreachable"),
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable"),
        (FileNotFoundError(errno.ENOENT, "a lexicon"), "other"),
        (gevent.Timeout(1), "timeout"),
        (greenlet.GreenletExit(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(), "cancelled"),
        (ValueError("bad audio"), "other"),
        (InferenceServerException("tensor has the wrong shape"), "invalid_request"),
    ],
)
def test_each_kind_of_exception_has_its_class(error: BaseException, name: str) -> None:
    """Python's own exceptions, and those that the client raises before it sends."""
    assert error_class(error) == name
    assert name in ERROR_CLASSES


def test_the_cause_counts_where_a_service_wraps() -> None:
    """`raise MyError from error` keeps the class of what happened."""
    wrapped = RuntimeError("transcription failed")
    wrapped.__cause__ = TimeoutError()
    assert error_class(wrapped) == "timeout"
    wrapped.__cause__ = wrapped
    assert error_class(wrapped) == "other"


def test_an_answer_that_is_not_json_is_the_servers_error() -> None:
    """A status of 200 and a page of some proxy's."""
    with answering(200, b"<html>welcome</html>") as url:
        assert infer(url) == "server_error"


def test_what_does_not_speak_http_is_unreachable() -> None:
    """Some other server listens on that port."""

    def greet(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"220 mail.example ESMTP\r\n\r\n")

    with listening(greet) as url:
        assert infer(url) == "unreachable"


def test_tritons_restricted_grpc_is_unauthorised() -> None:
    """Triton says UNAVAILABLE where the restricted header is missing or wrong."""
    message = "This protocol is restricted, expecting header 'triton-grpc-protocol-authorization'"
    error = InferenceServerException(message, status="StatusCode.UNAVAILABLE")
    assert error_class(error) == "unauthorised"


def test_a_bare_grpc_error_has_the_class_of_its_code() -> None:
    """As a stub raises it where tritonclient is not in between; nobody listens here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
    with grpc.insecure_channel(url) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=5)
    assert error_class(raised.value) == "unreachable"


@pytest.mark.parametrize("name", BY_NAME)
def test_each_name_in_the_table_is_an_exception_that_exists(name: str) -> None:
    """A library that renames one is noticed here, not in production."""
    module, _, kind = name.rpartition(".")
    found = getattr(import_module(module), kind)
    assert issubclass(found, BaseException)
    assert f"{found.__module__}.{found.__qualname__}" == name or found is TimeoutError


class ClosedError(Exception):
    """An exception that does not let itself be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class UnreadyError(InferenceServerException):  # type: ignore[misc]
    """Triton's, made by somebody who left out its parts."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    "make", [ClosedError, UnreadyError, lambda: InferenceServerException("x", status="\u00b2")]
)
def test_an_exception_that_can_not_be_read_is_told_by_no_class(make: Any) -> None:
    """Nothing takes its place, neither here nor where it is emptied."""
    odd = make()
    assert error_class(odd) in (OTHER, INVALID_REQUEST)
    empty_client_frames(odd)
