"""A small KServe v2 server with the demo's recognisers, for where a real Triton can't be had."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openfeature_triton.dashboard.demo.grammar import GRAMMAR
from openfeature_triton.dashboard.demo.kserve_protocol import (
    HEADER_LENGTH,
    BadRequestError,
    read_input,
    write_output,
)
from openfeature_triton.dashboard.demo.recogniser import Recogniser
from openfeature_triton.dashboard.demo.recognisers import INPUT, OUTPUT, SEARCHES


class _Model:
    """A recogniser that hears one request at a time, like one instance of a model in Triton."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._lock = threading.Lock()

    def transcribe(self, samples: bytes) -> str:
        with self._lock:
            return self._recogniser.transcribe(samples)


@contextmanager
def running_kserve(credential: str) -> Iterator[str]:
    """Serve the recognisers on a free loopback port; gives `host:port`.

    Inference without `credential` in the header `authorization` is answered with 403.
    """
    models = {name: _Model(Recogniser(GRAMMAR, search)) for name, search in SEARCHES.items()}
    server = _Server(models, credential)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="oft-kserve")
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Joins its connections' threads at the end, after closing what they still wait for."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, models: Mapping[str, _Model], credential: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = models
        self.credential = credential
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Answers readiness, metadata and inference."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer what the server and its models are, and whether they are ready."""
        match self.path.strip("/").split("/"):
            case ["v2"]:
                self._answer(200, {"name": "openfeature-triton demo", "extensions": []})
            case ["v2", "health", "live" | "ready"]:
                self._answer(200, {})
            case ["v2", "models", name] if name in self.server.models:
                self._answer(200, _metadata(name))
            case ["v2", "models", name, "ready"] if name in self.server.models:
                self._answer(200, {})
            case _:
                self._refuse(404, f"there is nothing at {self.path}")

    def do_POST(self) -> None:
        """Answer an inference, to whoever brings the credential."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = self.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), self.server.credential.encode()):
            self._refuse(403, "This API is restricted")
            return
        match self.path.strip("/").split("/"):
            case ["v2", "models", name, "infer"] if name in self.server.models:
                self._infer(name, body)
            case _:
                self._refuse(404, f"there is no model at {self.path}")

    def _infer(self, name: str, body: bytes) -> None:
        try:
            samples = read_input(body, self.headers.get(HEADER_LENGTH), INPUT, "INT16")
        except BadRequestError as error:
            self._refuse(400, str(error))
            return
        try:
            text = self.server.models[name].transcribe(samples)
        except Exception as error:  # noqa: BLE001 - as Triton answers for whatever a model raises
            self._refuse(500, f"{type(error).__name__}: {error}")
            return
        answer, header_length = write_output(name, OUTPUT, text.encode())
        self._send(200, answer, {HEADER_LENGTH: header_length})

    def _refuse(self, status: int, problem: str) -> None:
        self._answer(status, {"error": problem})

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the demo's output is its own."""


def _metadata(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "versions": ["1"],
        "platform": "pocketsphinx",
        "inputs": [{"name": INPUT, "datatype": "INT16", "shape": [-1]}],
        "outputs": [{"name": OUTPUT, "datatype": "UINT8", "shape": [-1]}],
    }
