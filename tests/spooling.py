"""Recorders that spool and send often, and what a test asks of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from tests.scripted_server import ScriptedServer

CONTROL = Series("e", "p", "control", "control", "asr", "hi")
QUICK: dict[str, Any] = {
    "flush_s": 0.05,
    "spool_s": 0.02,
    "on_sigterm": False,
    "raw_points": False,
}


def open_recorder(url: str, folder: Path, **settings: Any) -> Recorder:
    """Make a recorder that writes often; `deadline_s` and `doubt_s` are InfluxDB's."""
    influx = {
        "url": url,
        "deadline_s": settings.pop("deadline_s", 0.3),
        "doubt_s": settings.pop("doubt_s", 3),
    }
    return Recorder.open(
        RecorderSettings.model_validate({**QUICK, "spool": folder, **settings}),
        InfluxSettings.model_validate(influx),
    )


def until(fact: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.01)


def arrived(server: ScriptedServer) -> float:
    """How many outcomes the server has been told of."""
    return server.total(schema.LIGHT, schema.REQUESTS)


_HEAD = """
import os, resource, signal, sys, threading, time
from pathlib import Path
from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series
recorder = Recorder.open(
    RecorderSettings(flush_s=0.05, spool_s=0.02, raw_points=False, close_s={close_s},
                     spool=Path({folder!r})),
    InfluxSettings(url={url!r}, deadline_s=20),
)
CONTROL = Series("e", "p", "control", "control", "asr", "hi")
"""


def program(folder: Path, url: str, body: str, close_s: float = 20) -> str:
    """Give the text of a program that has a recorder; `close_s` is what its end may take."""
    head = _HEAD.format(folder=str(folder), url=url, close_s=close_s)
    return head + textwrap.dedent(body)


def script(folder: Path, url: str, body: str, close_s: float = 20) -> subprocess.Popen[str]:
    """Run a program that has a recorder."""
    return subprocess.Popen(
        [sys.executable, "-c", program(folder, url, body, close_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def adopt(server: ScriptedServer, folder: Path, count: float) -> Recorder:
    """Let another process's recorder deliver what is left, until so many have arrived."""
    recorder = open_recorder(server.url, folder)
    recorder.evaluated("e", "control", "SPLIT", "", 1.0)
    until(lambda: arrived(server) == count)
    recorder.close()
    return recorder
