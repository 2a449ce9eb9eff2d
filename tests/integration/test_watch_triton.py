"""From a Triton that starts failing under load to an experiment that is paused, end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path

import numpy as np
import pytest
from openfeature import api
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.flagd_config import audit
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, ProviderSettings, Service, TritonProvider
from tests import servers
from tests.services.tensors import audio_input

pytestmark = pytest.mark.integration

ECHO = servers.deterministic_model("echo", "echo")
PROGRAM = "from openfeature_triton.flagd_config.command_line import main; raise SystemExit(main())"
A_MINUTE_S = 60.0


def test_a_treatment_that_starts_failing_is_paused(tmp_path: Path) -> None:
    """Within a minute, with the reason in the log; then every request is well again, on control."""
    flags, store = write_flags(tmp_path / "flags.json"), f"sqlite:///{tmp_path}/store.db"
    with ExitStack() as stack:
        own = stack.enter_context(servers.triton(ECHO))
        other = stack.enter_context(servers.triton(ECHO))
        fine = RecorderSettings(
            store=SecretStr(store), window_s=1, latency_window_s=1, flush_s=0.5, on_sigterm=False
        )
        recorder = Recorder.open(fine)
        stack.callback(recorder.close)
        services = {
            "asr-careful": service("asr-careful", own),
            "asr-fast": service("asr-fast", other),
        }
        api.set_provider_and_wait(TritonProvider(str(flags), services, on_track=recorder.track))
        api.add_hooks([ExperimentHook(recorder)])
        settings = ProviderSettings(deadline_s=5, breaker_failures=10_000)
        experiments = stack.enter_context(closing(Experiments(api.get_client(), settings=settings)))
        load = stack.enter_context(Load(experiments))
        watch = start_watch(flags, store)
        stack.callback(end, watch)

        load.until(lambda: min(load.well["control"], load.well["treatment"]) > 200)
        assert not audit.log_of(flags).exists()
        kill(other)
        killed_s = time.monotonic()
        load.until(lambda: audit.log_of(flags).exists())
        assert time.monotonic() - killed_s < A_MINUTE_S
        assert watch.stdout is not None
        event = json.loads(watch.stdout.readline())

        load.until(lambda: load.well[""] > 0)  # the provider has heard of it
        load.clear()
        load.until(lambda: load.well[""] > 200)
        assert set(load.well) == {""}
        assert not load.failed
    (entry,) = audit.read(flags)
    assert (entry.command, event["event"]) == ("pause", "paused")
    assert event["numbers"]["variant"] == "treatment"
    assert event["numbers"]["ratio"] is None or event["numbers"]["ratio"] > 1.1
    assert entry.reason == f"watch: {event['text']}"
    assert json.loads(flags.read_text())["flags"]["one"]["state"] == "DISABLED"


class Load:
    """Threads that ask without a pause; counts by variant what went well, and what did not."""

    def __init__(self, experiments: Experiments) -> None:
        self.well: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._experiments = experiments
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2)
        self._running = [self._pool.submit(self._run, number) for number in range(2)]

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def clear(self) -> None:
        """Count anew."""
        with self._lock:
            self.well.clear()
            self.failed.clear()

    def until(self, what: Callable[[], bool]) -> None:
        """Go on until something is true."""
        end_s = time.monotonic() + 2 * A_MINUTE_S
        while not what():
            assert time.monotonic() < end_s, (self.well, self.failed)
            for each in self._running:
                assert not each.done(), each.result()
            time.sleep(0.02)

    def _run(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            variant, is_well = self._ask(f"request {thread}-{number}")
            with self._lock:
                (self.well if is_well else self.failed)[variant] += 1
            time.sleep(0.002)

    def _ask(self, text: str) -> tuple[str, bool]:
        """Ask as a service does that has no fallback; gives the variant, and whether it heard."""
        samples = np.frombuffer(text.encode("utf-16-le"), np.int16)
        asked = self._experiments.infer(
            "asr", language="en", targeting_key=text, service_id="asr-careful"
        )
        try:
            with asked as call:
                answer = call.client.infer(
                    call.model_name, [audio_input(call.triton, "audio", samples)]
                )
                return call.route.variant, bytes(answer.as_numpy("text")) == samples.tobytes()
        except (OSError, HTTPException):
            return asked.route.variant, False


def write_flags(path: Path) -> Path:
    """Write an experiment with a guardrail on errors, which has run for a while."""
    flag = {
        "state": "ENABLED",
        "variants": {"control": {"service": "asr-careful"}, "treatment": {"service": "asr-fast"}},
        "defaultVariant": None,
        "targeting": {"fractional": [["control", 50], ["treatment", 50]]},
        "metadata": {
            "experiment": True,
            "task_type": "asr",
            "control": "control",
            "guardrails": "error_rate:10%",
        },
    }
    path.write_text(json.dumps({"flags": {"one": flag}}, indent=2), encoding="utf-8")
    return path


def service(name: str, triton: RunningTriton) -> Service:
    """A service of one Triton."""
    key = SecretStr(servers.CREDENTIAL)
    return Service(name, "asr", triton.http_url, "echo", credential=key)


def start_watch(flags: Path, store: str) -> subprocess.Popen[str]:
    """Watch as an operator would, only more often."""
    where = ["--flags", str(flags), "--store", store, "--interval", "1", "--json"]
    command = [sys.executable, "-c", PROGRAM, "watch", *where]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def end(watch: subprocess.Popen[str]) -> None:
    """End it as an operator would."""
    watch.terminate()
    watch.communicate(timeout=30)
    assert watch.returncode == 0


def kill(triton: RunningTriton) -> None:
    """Kill the server as the kernel would that is out of memory; its supervisor tidies up."""
    tasks = Path(f"/proc/{triton.supervisor_pid}/task").glob("*/children")
    for pid in " ".join(each.read_text() for each in tasks).split():
        os.kill(int(pid), signal.SIGKILL)
