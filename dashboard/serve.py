"""Serve: the dashboard under waitress, on loopback unless it asks who is looking."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from typing import Any

from flask import Flask
from waitress.server import create_server
from waitress.wasyncore import close_all

from openfeature_triton.dashboard.errors import ListenError, NotLoopbackError, PortTakenError
from openfeature_triton.dashboard.intake import Intake
from openfeature_triton.dashboard.loopback import LOCALHOST, is_loopback, without_brackets
from openfeature_triton.dashboard.sign_in import SignIn

_THREADS = 4


class Server:
    """A dashboard that listens from its making on; `run` answers until `close`.

    Args:
        app: what `create_app` gave.
        host: an address, or `localhost`. NotLoopbackError for one that others reach, unless the
            application asks who is looking and does not debug.
        port: 0 takes a free one. PortTakenError if somebody else listens there.

    Attributes:
        url: where a browser on this machine finds it.
    """

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 8080) -> None:
        address = _allowed(app, host, port)
        self._intake: Intake | None = app.extensions.get("intake")
        load_templates(app)
        listening = _listen(address, port)
        shown = f"[{address}]" if ":" in address else address
        self.url = f"http://{shown}:{listening.getsockname()[1]}/"
        self._running = threading.RLock()
        self._is_closed = False
        # A map of its own: waitress would share one, and closing one server would end the others.
        self._sockets: dict[int, Any] = {}
        self._server: Any = create_server(
            app,
            map=self._sockets,
            sockets=[listening],
            threads=_THREADS,
            ident=None,
            clear_untrusted_proxy_headers=False,  # of which sign in alone reads one, as a claim
        )

    def run(self) -> None:
        """Answer requests until `close` is called, from another thread, or Ctrl-C."""
        with self._running:
            self._server.run()

    def close(self) -> None:
        """Stop listening, hang up on whoever is connected, and wait until `run` has ended."""
        if not self._is_closed:
            self._server.trigger.pull_trigger(self._stop)
            with self._running:
                self._stop()

    def _stop(self) -> None:
        """In the thread that runs, if one does: no other may close what that one waits on.

        Waitress's own `close` leaves its workers, and keeps running for each open connection.
        """
        if not self._is_closed:
            self._is_closed = True
            self._server.task_dispatcher.shutdown()
            close_all(self._sockets)
            if self._intake is not None:
                self._intake.close()


def serve(app: Flask, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a dashboard until Ctrl-C; raises ListenError as `Server` does."""
    server = Server(app, host, port)
    try:
        server.run()
    finally:
        server.close()


def load_templates(app: Flask) -> None:
    """Compile the templates, which takes longer than a page: no page waits for it."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)


def _allowed(app: Flask, host: str, port: int) -> str:
    name = without_brackets(host)
    if is_loopback(name):
        return "127.0.0.1" if name == LOCALHOST else name
    if app.debug:
        problem = "the dashboard debugs, and so listens on loopback only"
        raise NotLoopbackError(host, port, problem, "unset FLASK_DEBUG")
    sign_in: SignIn | None = app.extensions.get("sign_in")
    if sign_in is None or not sign_in.is_on():
        raise NotLoopbackError(
            host,
            port,
            "without authentication the dashboard listens on loopback only",
            "openfeature-triton dashboard user add NAME, or name a trusted proxy "
            "(OFT_PROXY_ADDRESS); or use 127.0.0.1, and ssh -L to look from elsewhere",
        )
    try:
        ipaddress.ip_address(name)
    except ValueError:
        problem, advice = "is no address", "name an address of this machine, such as 0.0.0.0"
        raise ListenError(host, port, problem, advice) from None
    return name


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
