from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from openfeature_triton.dashboard import (
    NotLoopbackError,
    PortTakenError,
    Server,
    create_app,
)
from tests.dashboard.conftest import Outcome, World

RUN = "import sys; from openfeature_triton.flagd_config.command_line import main; sys.exit(main())"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, "dashboard", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_server_answers_until_it_is_closed(world: World) -> None:
    """On a free port, from a thread; afterwards nobody listens there, and the thread has ended."""
    world.record("a//b", [Outcome("old", 1.0)])
    server = Server(create_app(world.settings()), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with urllib.request.urlopen(f"{server.url}api/experiments/a//b", timeout=10) as answer:
            assert json.load(answer)["whole"]["requests"] == 1
            assert "waitress" not in (answer.headers["Server"] or "")
    finally:
        server.close()
        thread.join(timeout=10)
    assert not thread.is_alive()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url, timeout=10)


def test_a_browser_that_stays_connected_keeps_no_server_alive(empty_store: World) -> None:
    """Closing hangs up on it, and leaves no thread behind; to close again is harmless."""
    before = set(threading.enumerate())
    server = Server(create_app(empty_store.settings()), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    browser = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=10)
    try:
        browser.request("GET", "/")
        answer = browser.getresponse()
        answer.read()
        assert not answer.will_close
    finally:
        server.close()
        thread.join(timeout=10)
        browser.close()
    server.close()
    assert set(threading.enumerate()) <= before


def test_a_server_that_never_ran_can_be_closed(empty_store: World) -> None:
    """Nobody listens afterwards, and to run it then ends at once."""
    server = Server(create_app(empty_store.settings()), port=0)
    server.close()
    server.run()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url, timeout=10)


def test_two_servers_in_one_process_leave_each_other_alone(empty_store: World) -> None:
    """Closing one does not end the other."""
    app = create_app(empty_store.settings())
    first, second = Server(app, port=0), Server(app, port=0)
    thread = threading.Thread(target=second.run)
    thread.start()
    try:
        first.close()
        with urllib.request.urlopen(second.url, timeout=10) as answer:
            assert answer.status == 200
    finally:
        second.close()
        thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_an_address_that_others_reach_is_refused(empty_store: World, host: str) -> None:
    """Nothing listens before the dashboard can ask who is looking."""
    with pytest.raises(NotLoopbackError, match="without authentication"):
        Server(create_app(empty_store.settings()), host, 0)


def test_a_taken_port_is_said(empty_store: World) -> None:
    """The error names the address and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"127.0.0.1:{port}: .*--port"):
            Server(create_app(empty_store.settings()), port=port)


def test_the_command_says_where_it_listens_and_answers_there(world: World) -> None:
    """`--json` gives the URL; Ctrl-C ends it."""
    world.record("e", [Outcome("old", 1.0)])
    command = [sys.executable, "-c", RUN, "dashboard", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            url = json.loads(running.stdout.readline())["url"]
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert b"/experiments/e" in answer.read()
        finally:
            running.send_signal(2)
            try:
                _, said = running.communicate(timeout=20)
            finally:
                running.kill()
    assert running.returncode in (0, 130)
    assert "Traceback" not in said


def test_the_command_ends_with_2_and_a_reason_where_it_cannot_run(empty_store: World) -> None:
    """A missing store, a missing flag file that was named, a wrong host, a taken or wrong port."""
    folder = empty_store.folder
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, reason in (
            (["--store", "sqlite:///none.db"], "there is no such file"),
            (["--flags", "none.json"], "none.json"),
            (["--host", "0.0.0.0"], "loopback only"),
            (["--port", str(taken.getsockname()[1])], "somebody else listens"),
            (["--port", "70000"], "--port: "),
        ):
            done = _run(folder, *arguments)
            assert done.returncode == 2, arguments
            assert done.stderr.startswith("error: ")
            assert reason in done.stderr
            assert "Traceback" not in done.stderr
    assert not (folder / "none.db").exists()
