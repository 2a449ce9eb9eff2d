"""A large document that changes while requests run: every answer is of one document or the next."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from openfeature import api
from openfeature.event import EventDetails, ProviderEvent

from openfeature_triton.flagd_config import example, give_way
from openfeature_triton.provider import FileFlags, TritonProvider
from tests.flagd_servers import eventually

FLAGS = 5_000


def _document(number: int) -> str:
    """Many experiments, and two plain flags that hold the same number."""
    (key, flag), *_ = json.loads(example("asr").read_text(encoding="utf-8"))["flags"].items()
    plain = {"state": "ENABLED", "variants": {"v": {"number": number}}, "defaultVariant": "v"}
    many = {f"{key}-{index}": flag for index in range(FLAGS)}
    return json.dumps({"flags": {"first": plain, **many, "last": plain}})


@pytest.mark.slow
def test_a_change_among_thousands_of_flags_goes_live_beside_running_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads ask all the time; the reload gives way to them again and again.

    How long a request waits is measured by tests/benchmarks/bench_reload.py.
    """
    pauses: list[str] = []
    monkeypatch.setattr(give_way, "sleep", lambda _: pauses.append(threading.current_thread().name))
    path = tmp_path / "flags.json"
    path.write_text(_document(0))
    changed: list[EventDetails] = []
    api.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, changed.append)
    api.set_provider_and_wait(TritonProvider(FileFlags(path, poll_s=0.01), {}))
    client = api.get_client()
    stop, wrong = threading.Event(), []

    def ask() -> None:
        seen = 0
        while not stop.is_set():
            details = client.get_object_details("first", {})
            value = details.value
            number = value["number"] if isinstance(value, dict) else -1
            if details.error_code is not None or number < seen:
                wrong.append(details)
            seen = number

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        pauses.clear()
        replacement = path.with_suffix(".new")
        replacement.write_text(_document(1))
        replacement.replace(path)
        eventually(lambda: bool(changed))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert sorted(changed[0].flags_changed or []) == ["first", "last"]
    assert client.get_object_value("last", {}) == {"number": 1}
    assert pauses.count("oft-flag-file") > 10


@pytest.mark.slow
def test_shutdown_amid_a_reload_leaves_no_thread(tmp_path: Path) -> None:
    """Thousands of flags that are being read are read no further."""
    path = tmp_path / "flags.json"
    path.write_text(_document(0))
    provider = TritonProvider(FileFlags(path, poll_s=0.01), {})
    api.set_provider_and_wait(provider)
    before = provider.document
    path.with_suffix(".new").write_text(_document(1).replace('"owner": "', '"owner": "new '))
    path.with_suffix(".new").replace(path)
    reading = threading.Event()

    def pause(pause_s: float) -> None:
        reading.set()
        time.sleep(pause_s)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(give_way, "sleep", pause)
        assert reading.wait(20)
        begun_s = time.monotonic()
        provider.shutdown()
        assert time.monotonic() - begun_s < 1.0
    assert not [each for each in threading.enumerate() if each.name.startswith("oft-")]
    assert provider.document is before
