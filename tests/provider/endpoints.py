"""Small real servers on loopback that answer inferences, or fail to in one certain way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

ANSWER = json.dumps(
    {
        "model_name": "m",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [2.0]}],
    }
).encode()


@dataclass
class Endpoint:
    """A running server: where it is, and what was asked of it."""

    url: str
    connections: int = 0
    posts: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)


Behaviour = Callable[[socket.socket, Callable[[], bool]], None]
"""What a server does once it has read a request; the second says whether it still runs."""


def answers(status: str = "200 OK", body: bytes = ANSWER) -> Behaviour:
    """Answer at once."""

    def behave(connection: socket.socket, _: Callable[[], bool]) -> None:
        connection.sendall(_head(status, len(body)) + body)

    return behave


def stays_silent(connection: socket.socket, goes_on: Callable[[], bool]) -> None:  # noqa: ARG001
    """Say nothing for a minute."""
    for _ in range(1200):
        if not goes_on():
            return
        time.sleep(0.05)


def answers_after(seconds: float) -> Behaviour:
    """Answer, but late; not at all once nobody waits any more."""

    def behave(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
        until_s = time.monotonic() + seconds
        while goes_on() and time.monotonic() < until_s:
            time.sleep(0.02)
        if goes_on():
            connection.sendall(_head("200 OK", len(ANSWER)) + ANSWER)

    return behave


def drips(connection: socket.socket, goes_on: Callable[[], bool]) -> None:
    """Send a good answer, one byte at a time: each socket operation is quick, the whole never."""
    for byte in _head("200 OK", len(ANSWER)) + ANSWER:
        if not goes_on():
            return
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def breaks_off(connection: socket.socket, _: Callable[[], bool]) -> None:
    """Close in the middle of the answer."""
    connection.sendall((_head("200 OK", len(ANSWER)) + ANSWER)[:-20])


def hangs_up(connection: socket.socket, _: Callable[[], bool]) -> None:
    """Close without an answer."""


HTML_500 = answers("500 Internal Server Error", b"<html><h1>oops</h1></html>")
FORBIDDEN = answers("403 Forbidden", b"")
UNAUTHORISED = answers("401 Unauthorized", b"{}")


def _head(status: str, length: int) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n".encode()


@contextmanager
def http_endpoint(behave: Behaviour) -> Iterator[Endpoint]:
    """A server that treats every request as `behave` says; closed, threads and all, in the end."""
    stop = threading.Event()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(64, "endpoint") as pool,
    ):
        endpoint = Endpoint(f"127.0.0.1:{listener.getsockname()[1]}")

        def serve(connection: socket.socket) -> None:
            connection.settimeout(0.2)
            with connection, suppress(OSError):
                while not stop.is_set() and _read_request(connection, endpoint, stop):
                    behave(connection, lambda: not stop.is_set())
                    if behave in (hangs_up, breaks_off):
                        return

        def accept() -> None:
            with suppress(OSError):
                while True:
                    pool.submit(serve, listener.accept()[0])
                    endpoint.connections += 1

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield endpoint
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _read_request(connection: socket.socket, endpoint: Endpoint, stop: threading.Event) -> bool:
    """Read one request; False at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        block = _receive(connection, stop)
        if not block:
            return False
        received += block
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _receive(connection, stop)
    endpoint.posts += lines[0].startswith("POST")
    endpoint.headers.append(headers)
    return True


def _receive(connection: socket.socket, stop: threading.Event) -> bytes:
    while not stop.is_set():
        with suppress(TimeoutError):
            return connection.recv(65536)
    return b""


@contextmanager
def grpc_endpoint(code: grpc.StatusCode | None = None, delay_s: float = 0.0) -> Iterator[Endpoint]:
    """A real gRPC server of Triton's service that answers, late if so wished, or refuses."""
    stop = threading.Event()
    endpoint = Endpoint("")

    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
        def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
            endpoint.posts += 1
            endpoint.headers.append(dict(context.invocation_metadata()))
            stop.wait(delay_s)
            if code is not None:
                context.abort(code, "refused")
            answer = service_pb2.ModelInferResponse(model_name=request.model_name)
            answer.outputs.add(name="y", datatype="FP32", shape=[1])
            answer.raw_output_contents.append(np.array([2.0], np.float32).tobytes())
            return answer

    server = grpc.server(ThreadPoolExecutor(8))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    endpoint.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield endpoint
    finally:
        stop.set()
        server.stop(0).wait()


def unused_url() -> str:
    """A port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def ask(call: Any) -> float:
    """What a service developer writes: one inference through a call's client."""
    return float(call.client.infer(call.model_name, _inputs(call)).as_numpy("y")[0])


async def ask_async(call: Any) -> float:
    """The same in asyncio."""
    answer = await call.client.infer(call.model_name, _inputs(call))
    return float(answer.as_numpy("y")[0])


def _inputs(call: Any) -> list[Any]:
    tensor = call.triton.InferInput("x", [1], "FP32")
    tensor.set_data_from_numpy(np.ones(1, np.float32))
    return [tensor]
