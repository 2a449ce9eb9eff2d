"""A real Triton is killed and restarted under load: every request is answered and counted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from openfeature import api
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Call,
    Experiments,
    ProviderSettings,
    Service,
    TritonProvider,
)
from tests import servers
from tests.provider.test_experiments import write_flags
from tests.services.tensors import audio_input
from tests.services.world import stored

pytestmark = pytest.mark.integration

SPLIT = {"fractional": [["control", 50], ["treatment", 50]]}
_ECHO = servers.deterministic_model("echo", "echo")
_WAIT_S = 60.0


def test_a_triton_that_dies_and_returns_costs_no_request(tmp_path: Path) -> None:
    """Calls fall back while the treatment's Triton is dead, and go there again when it lives."""
    store = SecretStr(f"sqlite:///{tmp_path}/store.db")
    with ExitStack() as stack:
        own = stack.enter_context(servers.triton(_ECHO))
        other = stack.enter_context(servers.triton(_ECHO))
        recorder = Recorder.open(RecorderSettings(store=store, on_sigterm=False))
        stack.callback(recorder.close)
        flags = write_flags(tmp_path / "flags.json", one={"targeting": SPLIT})
        services = {name: _service(name, url) for name, url in _urls(own, other).items()}
        api.set_provider_and_wait(TritonProvider(flags, services, on_track=recorder.track))
        api.add_hooks([ExperimentHook(recorder)])
        settings = ProviderSettings(deadline_s=10, breaker_failures=3, breaker_rest_s=0.5)
        experiments = stack.enter_context(closing(Experiments(api.get_client(), settings=settings)))
        with _Load(experiments) as load:
            load.until(lambda: load.served["asr-fast"] > 20)
            _kill(other)
            load.until(lambda: experiments.breakers.opened > 0)
            load.served.clear()
            load.until(lambda: load.served["asr-careful"] > 50)
            stack.enter_context(servers.triton(_ECHO, ports=_ports(other)))
            load.served.clear()
            load.until(lambda: load.served["asr-fast"] > 20)
        assert recorder.flush()
        counts = experiments.counts()
        assert counts["fallback_unreachable"] >= 3
        assert counts["endpoint_failing"] > 0
        assert experiments.stats()["breakers"] == {}
    recorded = stored(store.get_secret_value(), "one")
    assert sum(each.requests for each in recorded.values()) == load.requests
    assert sum(each.exposures for each in recorded.values()) == load.requests
    assert sum(each.errors for each in recorded.values()) == 0


class _Load:
    """Four threads that call without a pause, each answer looked at."""

    def __init__(self, experiments: Experiments) -> None:
        self.served: Counter[str] = Counter()
        self.requests = 0
        self._experiments = experiments
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(4)
        self._running = [self._pool.submit(self._run, number) for number in range(4)]

    def __enter__(self) -> _Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def until(self, what: Callable[[], bool]) -> None:
        """Go on until something is true; a request that fails ends it."""
        end_s = time.monotonic() + _WAIT_S
        while not what():
            assert time.monotonic() < end_s, self._experiments.stats()
            for each in self._running:
                assert not each.done(), each.result()
            time.sleep(0.02)

    def _run(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            text = f"request {thread}-{number}"

            def echo(call: Call, text: str = text) -> tuple[str, str]:
                samples = np.frombuffer(text.encode("utf-16-le"), np.int16)
                inputs = [audio_input(call.triton, "audio", samples)]
                answer = call.client.infer(call.model_name, inputs)
                name = call.service.service_id if call.service else ""
                return bytes(answer.as_numpy("text")).decode("utf-16-le"), name

            answered, served = self._experiments.call(
                echo, "asr", language="en", targeting_key=text, service_id="asr-careful"
            )
            assert answered == text
            with self._lock:
                self.requests += 1
                self.served[served] += 1


def _urls(own: RunningTriton, other: RunningTriton) -> dict[str, str]:
    return {"asr-careful": own.http_url, "asr-fast": other.http_url}


def _service(name: str, url: str) -> Service:
    return Service(name, "asr", url, "echo", credential=SecretStr(servers.CREDENTIAL))


def _ports(triton: RunningTriton) -> tuple[int, int]:
    return int(triton.http_url.rpartition(":")[2]), int(triton.grpc_url.rpartition(":")[2])


def _kill(triton: RunningTriton) -> None:
    """Kill the server as the kernel would that is out of memory; its supervisor tidies up."""
    tasks = Path(f"/proc/{triton.supervisor_pid}/task").glob("*/children")
    for pid in " ".join(each.read_text() for each in tasks).split():
        os.kill(int(pid), signal.SIGKILL)
