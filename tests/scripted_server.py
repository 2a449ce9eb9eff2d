"""A small HTTP server that answers as a test says: for the faults that a real store won't show."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Received:
    """One request, its body unpacked."""

    path: str
    bucket: str
    token: str
    lines: list[str]
    at_s: float = field(default_factory=time.monotonic)


Script = Callable[["Reply", Received], None]


class Reply(BaseHTTPRequestHandler):
    """Answers one request as the server's script says."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        """Take the request, then follow the script."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        query = parse_qs(urlsplit(self.path).query)
        received = Received(
            urlsplit(self.path).path,
            query.get("bucket", [""])[0],
            self.headers.get("Authorization", ""),
            body.decode().split("\n"),
        )
        self.server.received.append(received)
        self.server.script(self, received)

    def answer(self, status: int, body: str = "", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def refuse(self, status: int, message: str) -> None:
        """Send an error as InfluxDB words it."""
        self.answer(status, f'{{"code": "invalid", "message": "{message}"}}')

    def store(self, received: Received) -> None:
        """Keep the points, as InfluxDB would, and say so."""
        self.keep(received.lines)
        self.answer(204)

    def keep(self, lines: list[str]) -> None:
        """Keep the points: one for each series and time, each field at its last value."""
        with self.server.lock:
            for line in lines:
                series, fields, time_ns = line.rsplit(" ", 2)
                held = self.server.points.setdefault((series, time_ns), {})
                for part in fields.split(","):
                    name, value = part.split("=", 1)
                    held[name] = value

    def cut(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class ScriptedServer(ThreadingHTTPServer):
    """Runs on a free port of loopback; `script` may be changed at any time."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Reply)
        self.script: Script = Reply.store
        self.received: list[Received] = []
        self.points: dict[tuple[str, str], dict[str, str]] = {}
        self.lock = threading.Lock()
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Keep quiet: clients that went away are what is tested."""

    def total(self, measurement: str, field: str) -> float:
        """Add up a field of a measurement over all points that were stored."""
        with self.lock:
            return sum(
                float(fields.get(field, 0))
                for (series, _), fields in self.points.items()
                if series.split(",", 1)[0] == measurement
            )


@contextmanager
def scripted_server(port: int = 0) -> Iterator[ScriptedServer]:
    """Run a server, and stop it in the end."""
    with ScriptedServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()
