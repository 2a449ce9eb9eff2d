"""Serve: the dashboard under waitress, on loopback, until it is closed."""

from __future__ import annotations

import errno
import socket
from typing import Any

from flask import Flask
from waitress.server import create_server

from openfeature_triton.dashboard.errors import ListenError, NotLoopbackError, PortTakenError
from openfeature_triton.dashboard.loopback import LOCALHOST, is_loopback

_THREADS = 4


class Server:
    """A dashboard that listens from its making on; `run` answers until `close`.

    Args:
        app: what `create_app` gave.
        host: an address of loopback, or `localhost`. NotLoopbackError for any other.
        port: 0 takes a free one. PortTakenError if somebody else listens there.

    Attributes:
        url: where a browser on this machine finds it.
    """

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 8080) -> None:
        address = _loopback(host, port)
        listening = _listen(address, port)
        shown = f"[{address}]" if ":" in address else address
        self.url = f"http://{shown}:{listening.getsockname()[1]}/"
        # A map of its own: waitress would share one, and closing one server would end the others.
        self._server: Any = create_server(
            app,
            map={},
            sockets=[listening],
            threads=_THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )

    def run(self) -> None:
        """Answer requests until `close` is called, from another thread, or Ctrl-C."""
        self._server.run()

    def close(self) -> None:
        """Stop listening."""
        self._server.close()


def serve(app: Flask, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a dashboard until Ctrl-C; raises ListenError as `Server` does."""
    server = Server(app, host, port)
    try:
        server.run()
    finally:
        server.close()


def _loopback(host: str, port: int) -> str:
    name = host.removeprefix("[").removesuffix("]")
    if not is_loopback(name):
        raise NotLoopbackError(
            host,
            port,
            "the dashboard listens on loopback only, as it can't yet ask who is looking",
            "use 127.0.0.1, and ssh -L to look from elsewhere",
        )
    return "127.0.0.1" if name == LOCALHOST else name


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # So that a restart need not wait for the last one's connections to be forgotten.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                address, port, "somebody else listens there", "choose another --port; 0 is any"
            ) from error
        raise ListenError(
            address, port, error.strerror or str(error), "choose another --host or --port"
        ) from error
    return listening
