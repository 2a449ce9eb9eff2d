"""Ends of processes, signals and forks, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from openfeature_triton.hooks.store_summary import summarize

# Python 3.12 warns of forks in a process with threads; to survive them is the point here.
_WARNINGS = "error,ignore:This process:DeprecationWarning"

PRELUDE = """
import os, signal, sys, threading, time
from openfeature_triton.hooks import Recorder, RecorderSettings, Series

SERIES = Series("e", "p", "control", "control", "asr", "hi")

def record(recorder, count):
    for _ in range(count):
        recorder.record(SERIES, 10.0)

"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The store of all processes of a test."""
    return f"sqlite:///{tmp_path}/store.db"


def start(url: str, script: str) -> subprocess.Popen[str]:
    """Start a Python process on the store."""
    environment = os.environ | {
        "OFT_STORE": url,
        "OFT_FLUSH_S": "3600",
        "PYTHONWARNINGS": _WARNINGS,
    }
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a process that has nothing to complain about."""
    _, stderr = process.communicate(timeout=60)
    assert stderr == ""
    return process.returncode


def test_the_normal_end_writes_what_is_pending(url: str) -> None:
    """A script that just ends has lost nothing, nor has a thread that is still at work."""
    script = """
    recorder = Recorder.open()
    record(recorder, 100)
    threading.Thread(target=lambda: (time.sleep(0.3), record(recorder, 10))).start()
    """
    assert finish(start(url, script)) == 0
    assert summarize(url).requests == 110


def test_sys_exit_writes_what_is_pending(url: str) -> None:
    """A server that ends by `sys.exit` has lost nothing, and keeps its exit code."""
    assert finish(start(url, "record(Recorder.open(), 100); sys.exit(7)")) == 7
    assert summarize(url).requests == 100


def sigterm(url: str, script: str) -> int:
    """Send SIGTERM when the script says that it is ready; give the exit code."""
    process = start(url, script + "\nprint('ready', flush=True)\ntime.sleep(60)\n")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    return finish(process)


def test_sigterm_writes_what_is_pending(url: str) -> None:
    """The process still ends by the signal, so that its parent sees why."""
    assert sigterm(url, "recorder = Recorder.open(); record(recorder, 100)") == -signal.SIGTERM
    assert summarize(url).requests == 100


def test_sigterm_writes_what_is_pending_in_each_recorder(url: str) -> None:
    """Two recorders in one process each write theirs."""
    script = "a = Recorder.open(); b = Recorder.open(); record(a, 100); record(b, 10)"
    assert sigterm(url, script) == -signal.SIGTERM
    assert summarize(url).requests == 110


def test_a_handler_of_somebody_else_is_left_alone(url: str) -> None:
    """A server's own handler ends the process normally, and that writes."""
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); "
        "recorder = Recorder.open(); record(recorder, 100)"
    )
    assert sigterm(url, script) == 3
    assert summarize(url).requests == 100


def test_sigterm_can_be_left_alone(url: str) -> None:
    """Switched off, the signal does what it always did, and what is pending is lost."""
    script = "recorder = Recorder.open(RecorderSettings(on_sigterm=False)); record(recorder, 100)"
    assert sigterm(url, script) == -signal.SIGTERM
    assert summarize(url).requests == 0


def test_closing_puts_the_signal_back(url: str) -> None:
    """After `close` nothing of ours handles SIGTERM."""
    script = """
    recorder = Recorder.open()
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    recorder.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    assert finish(start(url, script)) == 0


def test_another_thread_may_open_a_recorder(url: str) -> None:
    """Outside the main thread no handler can be set, and none is."""
    script = """
    thread = threading.Thread(target=lambda: record(Recorder.open(), 5))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    assert finish(start(url, script)) == 0
    assert summarize(url).requests == 5


def test_a_child_starts_empty_and_as_a_writer_of_its_own(url: str) -> None:
    """What was pending at the fork is the parent's alone; both write what they counted after it."""
    script = """
    recorder = Recorder.open()
    record(recorder, 100)
    child = os.fork()
    if child == 0:
        assert recorder.stats().accepted == 0
        record(recorder, 10)
        os._exit(0 if recorder.close() else 1)
    assert os.waitpid(child, 0)[1] == 0
    record(recorder, 1000)
    assert recorder.close()
    """
    assert finish(start(url, script)) == 0
    assert summarize(url).requests == 1110


def test_forks_in_the_middle_of_work_hang_nobody(url: str) -> None:
    """Children forked while threads record and the background thread writes all come through."""
    script = """
    recorder = Recorder.open(RecorderSettings(flush_s=0.01))
    threads = [threading.Thread(target=record, args=(recorder, 20_000)) for _ in range(2)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            record(recorder, 10)
            os._exit(0 if recorder.close(20) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
    for thread in threads:
        thread.join()
    assert recorder.close(20)
    """
    assert finish(start(url, script)) == 0
    assert summarize(url).requests == 40_100


def test_a_child_of_a_closed_recorder_finds_it_closed(url: str) -> None:
    """Closing before the fork closes for the child too."""
    script = """
    recorder = Recorder.open()
    recorder.close()
    child = os.fork()
    if child == 0:
        record(recorder, 10)
        os._exit(0 if recorder.stats().dropped == {"closed": 10} else 1)
    assert os.waitpid(child, 0)[1] == 0
    """
    assert finish(start(url, script)) == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_writes_at_its_end(
    url: str, tmp_path: Path, method: str
) -> None:
    """Whichever way the child is made, and though it skips `atexit` before Python 3.13."""
    script = tmp_path / "children.py"
    script.write_text(
        PRELUDE
        + textwrap.dedent(f"""
        import multiprocessing

        def work():
            record(Recorder.open(), 10)

        if __name__ == "__main__":
            recorder = Recorder.open()
            record(recorder, 1)
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=work) for _ in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            assert [child.exitcode for child in children] == [0, 0]
        """)
    )
    environment = os.environ | {"OFT_STORE": url, "OFT_FLUSH_S": "3600"}
    subprocess.run([sys.executable, str(script)], env=environment, check=True, timeout=60)
    assert summarize(url).requests == 21


def test_two_processes_share_a_store(url: str) -> None:
    """Both write all the time, to the same series, and every outcome is there once."""
    script = """
    recorder = Recorder.open(RecorderSettings(flush_s=0.01))
    for _ in range(100):
        record(recorder, 50)
        time.sleep(0.005)
    """
    both = [start(url, script) for _ in range(2)]
    assert [finish(process) for process in both] == [0, 0]
    assert summarize(url).requests == 10_000
