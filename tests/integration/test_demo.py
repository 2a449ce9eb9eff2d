"""`openfeature-triton demo`, as somebody types it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import counts_and_latencies
from openfeature_triton.provider import Keyring, Registry
from tests import servers
from tests.integration.test_triton_server import alive, shared_memory, wait_until_gone

pytestmark = pytest.mark.integration

# A shell's background job hands down an ignored SIGINT; a terminal does not.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from openfeature_triton.flagd_config.command_line import main
sys.exit(main())
"""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The demo's place for temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def start(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", *arguments],
        env={**os.environ, "TMPDIR": str(temporary), "OFT_EXPERIMENTS": "off"},
        cwd=temporary.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], temporary: Path) -> tuple[str, str]:
    """Wait for the demo, which leaves nothing behind; gives what it said."""
    said = process.communicate(timeout=120)
    assert wait_until_gone(str(temporary)) == []
    assert list(temporary.iterdir()) == []
    return said


def rows(store: Path) -> dict[str, summary.Numbers]:
    """What a store holds of each variant."""
    with closing(SqlStore(f"sqlite:///{store}")) as opened:
        found = summary.group(
            counts_and_latencies(opened, "asr-fast-beam"), lambda each: each.variant
        )
    return {variant: summary.numbers(each) for variant, each in found.items()}


@pytest.mark.parametrize("kind", ["triton", "kserve"])
def test_its_table_is_what_the_store_holds(tmp_path: Path, temporary: Path, kind: str) -> None:
    """Each request is counted once, on the server that is named; the folder can be used later."""
    if kind == "triton":
        servers.triton_installation()
    options = [] if kind == "triton" else ["--no-triton"]
    demo = tmp_path / "demo"
    arguments = ["--once", "--json", "--requests", "30", "--dir", str(demo), *options]
    process = start(temporary, *arguments)
    stdout, stderr = finish(process, temporary)
    assert process.returncode == 0, stderr
    result = json.loads(stdout)
    assert result["server"]["kind"] == kind
    numbers = rows(demo / "store.db")
    assert sum(each["requests"] for each in result["variants"]) == 30
    for each in result["variants"]:
        held = numbers[each["variant"]]
        assert each["requests"] == held.requests == held.exposures
        assert each["errors"] == held.errors == 0
        assert each["mean_ms"] == pytest.approx(held.mean_ms)
        assert each["word_accuracy"] == pytest.approx(held.metrics["word_accuracy"].mean)
        assert 0.3 < each["word_accuracy"] <= 1.0
        assert held.metrics["output_words"].count == held.requests
        assert held.metrics["output_characters"].mean > held.metrics["output_words"].mean
    check_left_folder(demo)


def check_left_folder(demo: Path) -> None:
    """The keys lie in a file of their owner's alone, and open the registry."""
    environment = demo / ".env"
    assert environment.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in environment.read_text().splitlines())
    assert Path(values["OFT_FLAGS"]) == demo / "flags.json"
    keyring = Keyring.from_text(SecretStr(values["OFT_KEYS"]))
    with closing(Registry(values["OFT_REGISTRY"], keyring)) as registry:
        services = registry.list()
    assert [each.service_id for each in services] == ["asr-careful", "asr-fast"]
    credential = services[0].credential
    assert credential is not None
    secret = credential.get_secret_value()
    assert all(secret.encode() not in each.read_bytes() for each in demo.iterdir())


@pytest.mark.parametrize(("deadly", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_half_way_it_leaves_nothing(
    tmp_path: Path, temporary: Path, deadly: signal.Signals, code: int
) -> None:
    """Ctrl-C while requests are under way ends Triton, its models and all temporary files."""
    servers.triton_installation()
    store = tmp_path / "demo" / "store.db"
    process = start(temporary, "--requests", "5000", "--port", "0", "--dir", str(tmp_path / "demo"))
    try:
        wait_for_requests(process, store)
        assert alive(str(temporary))
        assert shared_memory(process.pid)
    finally:
        process.send_signal(deadly)
    finish(process, temporary)
    assert process.returncode == code
    assert shared_memory(process.pid) == []
    assert 0 < sum(each.requests for each in rows(store).values()) < 5000


def wait_for_requests(process: subprocess.Popen[str], store: Path) -> None:
    """Wait until some requests have been recorded."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and process.poll() is None:
        if store.exists() and any(each.requests for each in try_rows(store).values()):
            return
        time.sleep(0.1)
    raise AssertionError("no request was recorded")


def try_rows(store: Path) -> dict[str, Any]:
    """What a store holds, nothing while it is being made."""
    from openfeature_triton.hooks import StoreError

    try:
        return rows(store)
    except StoreError:
        return {}


def test_it_serves_the_page_until_ctrl_c(temporary: Path) -> None:
    """After the table the dashboard shows the same numbers; Ctrl-C is its proper end."""
    process = start(temporary, "--no-triton", "--requests", "12", "--port", "0", "--json")
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        result = json.loads(text)
        url = f"{result['dashboard']}api/experiments"
        with urllib.request.urlopen(url, timeout=10) as answer:
            (experiment,) = json.load(answer)["experiments"]
        assert experiment["requests"] == 12
    finally:
        process.send_signal(signal.SIGINT)
    finish(process, temporary)
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said_before_anything_starts(
    tmp_path: Path, temporary: Path
) -> None:
    """One line, exit code 2, and the folder holds nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(temporary, "--port", str(port), "--dir", str(tmp_path / "demo"))
        stdout, stderr = finish(process, temporary)
    assert process.returncode == 2
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith("error: ")
    assert str(port) in stderr
    assert "Traceback" not in stderr
    assert list((tmp_path / "demo").iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, temporary: Path) -> None:
    """What is there already is never overwritten."""
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    process = start(temporary, "--once", "--dir", str(tmp_path))
    _, stderr = finish(process, temporary)
    assert process.returncode == 2
    assert "is not empty" in stderr
    assert (tmp_path / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_without_a_package_index_the_models_are_served_all_the_same(temporary: Path) -> None:
    """No Triton on the PATH and none to be fetched: one line says so, and the table names it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", "--once", "--requests", "4"],
        env={
            **os.environ,
            "TMPDIR": str(temporary),
            "XDG_CACHE_HOME": str(temporary.parent / "cache"),
            "PATH": str(Path(sys.executable).parent),
            "PIP_NO_INDEX": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = finish(process, temporary)
    assert process.returncode == 0, stderr
    assert sum(line.startswith("No real Triton: ") for line in stderr.splitlines()) == 1
    assert "no Triton" in stdout
    assert list((temporary.parent / "cache" / "openfeature-triton").iterdir()) == []
