"""Faults of processes that spool: spawned, preloaded, ended in the middle of a write."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from openfeature_triton.hooks import schema
from tests.scripted_server import Received, Reply, ScriptedServer, scripted_server
from tests.spooling import adopt, arrived, program, script, until


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Stands for InfluxDB."""
    with scripted_server() as running:
        yield running


def test_spawned_children_spool_for_themselves(server: ScriptedServer, tmp_path: Path) -> None:
    """Each child of `multiprocessing` opens its own recorder, delivers, and leaves no file."""
    spool, path = tmp_path / "spool", tmp_path / "children.py"
    body = """
        import multiprocessing

        def work():
            for _ in range(50):
                recorder.record(CONTROL, 10.0)

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            children = [context.Process(target=work) for _ in range(3)]
            for child in children:
                child.start()
            work()
            for child in children:
                child.join()
            assert [child.exitcode for child in children] == [0, 0, 0]
    """
    path.write_text(program(spool, server.url, body))
    subprocess.run([sys.executable, str(path)], check=True, timeout=120)
    assert arrived(server) == 200
    assert list(spool.glob("*.spool")) == []


def test_no_request_imports_anything(server: ScriptedServer, tmp_path: Path) -> None:
    """A child forked while the sender imports would wait for the import's lock for ever."""
    body = """
        before = set(sys.modules)
        recorder.record(CONTROL, 10.0)
        assert recorder.close()
        print(sorted(set(sys.modules) - before))
    """
    with script(tmp_path, server.url.replace("127.0.0.1", "localhost"), body) as running:
        said, _ = running.communicate(timeout=60)
    assert said == "[]\n"


WEB = """
def application(environ, start_response):
    recorder.record(CONTROL, 10.0)
    time.sleep(0.02)
    start_response("200 OK", [("Content-Length", "2"), ("X-Worker", str(os.getpid()))])
    return [b"ok"]

recorder.record(CONTROL, 10.0)
"""


def test_four_preloaded_workers_of_gunicorn_lose_nothing(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """What the parent recorded before the fork is told once, what each worker recorded too."""
    (tmp_path / "web.py").write_text(program(tmp_path / "spool", server.url, WEB))
    with _gunicorn(tmp_path) as url, ThreadPoolExecutor(8) as pool:
        workers = set(pool.map(lambda _: _worker_that_answered(url), range(400)))
    assert len(workers) == 4
    assert arrived(server) == 401
    assert len({time_ns for (series, time_ns) in server.points if _is_light(series)}) == 5
    assert list((tmp_path / "spool").glob("*.spool")) == []


def _is_light(series: str) -> bool:
    return series.startswith(f"{schema.LIGHT},")


def _worker_that_answered(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.headers["X-Worker"])


@contextmanager
def _gunicorn(folder: Path) -> Iterator[str]:
    """Serve `web.py` by four preloaded workers; stop them by SIGTERM, and wait for their end."""
    log = folder / "gunicorn.log"
    options = ["--preload", "--workers=4", "--bind=127.0.0.1:0", "web"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options], cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            until(lambda: log.read_text().count("Booting worker") == 4, 60)
            yield re.search(r"http://127\.0\.0\.1:\d+", log.read_text())[0]  # type: ignore[index]
        finally:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, log.read_text()


def test_an_interpreter_that_shuts_down_in_the_middle_of_a_write_loses_nothing(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """The request is under way and never answered: the process ends in time, the spool has all."""
    holds = threading.Event()

    def never(reply: Reply, _: Received) -> None:
        holds.set()
        reply.server.ending.wait()

    server.script = never
    body = """
        for _ in range(100):
            recorder.record(CONTROL, 10.0)
        sys.stdin.read(1)
    """
    with script(tmp_path, server.url, body, close_s=2) as running:
        assert holds.wait(30)
        began_s = time.monotonic()
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(30) == 0
    assert time.monotonic() - began_s < 20
    assert arrived(server) == 0
    server.script = Reply.store
    adopt(server, tmp_path, 100)


@pytest.mark.parametrize("end", ["sys.exit()", "raise SystemExit(0)", "pass"])
def test_threads_that_record_to_the_very_end_are_counted(
    server: ScriptedServer, tmp_path: Path, end: str
) -> None:
    """Daemon threads go on while the interpreter ends: what was accepted arrives, all the same."""
    body = f"""
        import atexit, json
        atexit.unregister(recorder.end)

        def tell():
            stats = recorder.stats()
            print(json.dumps([stats.recorded, stats.delivered, stats.dropped]), flush=True)

        atexit.register(tell)  # before the recorder's own, so it runs after it

        def work():
            while True:
                recorder.record(CONTROL, 10.0)
                time.sleep(0.0001)

        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        {end}
    """
    with script(tmp_path, server.url, body) as running:
        said, _ = running.communicate(timeout=60)
        assert running.returncode == 0
    recorded, delivered, dropped = json.loads(said)
    assert arrived(server) == recorded == delivered > 0
    assert set(dropped) <= {"closed"}
