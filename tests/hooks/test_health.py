"""The health file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series
from openfeature_triton.hooks.health import KEPT_S, SUFFIX, forget_old, read_health
from tests.scripted_server import scripted_server

CONTROL = Series("e", "p", "control", "control", "asr", "hi")


def test_a_process_in_trouble_leaves_word(tmp_path: Path) -> None:
    """Counts, state, last error and the age of the oldest point that waits; no token."""
    with scripted_server() as server:
        server.script = lambda reply, _: reply.answer(503, "overloaded")
        influx = InfluxSettings(url=server.url, token=SecretStr("sentinel-token"))
        recorder = Recorder.open(RecorderSettings(spool=tmp_path, on_sigterm=False), influx)
        for _ in range(3):
            recorder.record(CONTROL, 10.0)
        recorder.close(0.5)
    (said,) = read_health(tmp_path)
    assert (said["pid"], said["ended"], said["recorded"], said["delivered"]) == (
        os.getpid(),
        True,
        3,
        0,
    )
    assert (said["delivery"]["spooled"], said["delivery"]["state"]) == (3, "later")
    assert "overloaded" in said["last_error"]
    assert said["oldest_age_s"] >= 0
    assert all("sentinel" not in path.read_text() for path in tmp_path.glob(f"*{SUFFIX}"))


def test_a_clean_end_leaves_nothing_to_tell(tmp_path: Path) -> None:
    """All delivered, nothing dropped: no file."""
    with scripted_server() as server:
        influx = InfluxSettings(url=server.url)
        recorder = Recorder.open(RecorderSettings(spool=tmp_path, on_sigterm=False), influx)
        recorder.record(CONTROL, 10.0)
        assert recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_files_of_long_ago_are_forgotten_and_torn_ones_skipped(tmp_path: Path) -> None:
    """A crash must not leave files for ever."""
    old, torn = tmp_path / f"1-a{SUFFIX}", tmp_path / f"2-b{SUFFIX}"
    old.write_text("{}")
    torn.write_text("{")
    past_s = time.time() - KEPT_S - 60
    os.utime(old, (past_s, past_s))
    forget_old(tmp_path)
    assert not old.exists()
    assert list(read_health(tmp_path)) == []
