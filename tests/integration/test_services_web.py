"""A service under gunicorn with preloaded workers: nothing is lost, each writes on its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import ProviderSettings
from tests import servers
from tests.services import served
from tests.services.world import provider_settings, stored

pytestmark = pytest.mark.integration

REQUESTS = 200
_ROOT = Path(__file__).parents[2]
_WINDOW_S = 86_400
_START_S = 60.0
_STOP_S = 30.0


def test_preloaded_workers_lose_nothing(tmp_path: Path) -> None:
    """Requests to forked workers, then SIGTERM: the store holds each one, from both writers."""
    store = f"sqlite:///{tmp_path}/store.db"
    workers: Counter[str] = Counter()
    with servers.triton(*served.models("ner")) as triton:
        settings = provider_settings("ner", triton, tmp_path)
        with (
            _gunicorn(settings, store, tmp_path / "gunicorn.log") as url,
            ThreadPoolExecutor(8) as pool,
        ):
            workers.update(pool.map(lambda number: _ask(url, number), range(REQUESTS)))
    recorded = stored(store, "ner-span-model")
    assert workers.total() == sum(each.requests for each in recorded.values()) == REQUESTS
    assert sum(each.exposures for each in recorded.values()) == REQUESTS
    assert sum(each.errors for each in recorded.values()) == 0
    assert len(workers) == 2
    assert _writers(store) == 2


def _ask(url: str, number: int) -> str:
    """Send one request; gives the worker that answered."""
    asked = {"text": "Ada Lovelace in London", "language": "en", "user": f"user-{number}"}
    with urllib.request.urlopen(f"{url}/?{urlencode(asked)}", timeout=30) as answer:
        assert len(json.load(answer)) == 2
        return str(answer.headers["x-worker"])


def _writers(store: str) -> int:
    """How many writers the store knows: each has an offset of its own in its windows' times."""
    engine = sqlalchemy.create_engine(store)
    with engine.connect() as connection:
        times = connection.execute(sqlalchemy.text("SELECT DISTINCT time_ns FROM windows"))
        offsets = {row.time_ns % (_WINDOW_S * 10**9) for row in times}
    engine.dispose()
    return len(offsets)


@contextmanager
def _gunicorn(settings: ProviderSettings, store: str, log: Path) -> Iterator[str]:
    """Run the service on a free port; stop it by SIGTERM, and wait for its end."""
    environment = {
        **os.environ,
        "OFT_FLAGS": str(example("ner")),
        "OFT_REGISTRY": settings.registry.get_secret_value(),
        "OFT_KEYS": settings.keys.get_secret_value(),
        "OFT_STORE": store,
        "OFT_WINDOW_S": str(_WINDOW_S),
        "OFT_LATENCY_WINDOW_S": str(_WINDOW_S),
        "OFT_FLUSH_S": "3600",  # what is stored was written at the end
    }
    options = ["--preload", "--workers=2", "--threads=4", "--bind=127.0.0.1:0"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "tests.services.web:create_app()"],
            cwd=_ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            finally:
                process.kill()
    assert process.returncode == 0, log.read_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until both workers have been started; gives where they listen."""
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s and process.poll() is None:
        said = log.read_text()
        found = re.search(r"Listening at: (http://\S+)", said)
        if found and said.count("Booting worker") == 2:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())
