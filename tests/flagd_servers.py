"""Starts flagd, or the double that speaks its sync protocol, on a free loopback port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 20.0
_DOUBLE = Path(__file__).with_name("flagd_double.py")


def flagd_binary() -> str:
    """The real flagd; where there is none the test is skipped, on CI too: no index carries it."""
    binary = os.environ.get("FLAGD") or shutil.which("flagd")
    if not binary:
        pytest.skip(
            "NEEDS flagd: put it on the PATH or its path into FLAGD (github.com/open-feature/flagd)"
        )
    return binary


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class Flagd:
    """One server and its flag file; it can be started again on the same ports.

    Args:
        file: the flag file that it watches.
        real: whether it is flagd itself.
        arguments: more of its command line.
        address: where the double listens, if not on a port.
    """

    def __init__(
        self, file: Path, *, real: bool = False, arguments: tuple[str, ...] = (), address: str = ""
    ) -> None:
        self.file = file
        self._real = real
        self._arguments = arguments
        self.port, self.rpc_port, self._management, self.ofrep_port = free_ports(4)
        self._address = address or f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def kill(self) -> None:
        """End it at once, whatever its state."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def hang(self) -> None:
        """Stop the process: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a stopped process go on."""
        self._signal(signal.SIGCONT)

    def write(self, text: str) -> None:
        """Replace the flag file."""
        replacement = self.file.with_suffix(".new")
        replacement.write_text(text, encoding="utf-8")
        replacement.replace(self.file)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _command(self) -> list[str]:
        if not self._real:
            return [sys.executable, str(_DOUBLE), self._address, str(self.file), *self._arguments]
        ports = {
            "--port": self.rpc_port,
            "--sync-port": self.port,
            "--management-port": self._management,
            "--ofrep-port": self.ofrep_port,
        }
        listed = [text for name, port in ports.items() for text in (name, str(port))]
        return [flagd_binary(), "start", "--uri", f"file:{self.file}", *listed, *self._arguments]

    def _wait(self) -> None:
        """Wait until somebody listens at the address."""
        family, address = socket.AF_INET, ("127.0.0.1", self.port)
        unix = self._address.removeprefix("unix:") if self._address.startswith("unix:") else ""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX if unix else family) as probe:
                if probe.connect_ex(unix or address) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"nothing listens at {self._address}")
