from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openfeature_triton.dashboard.export import write_whole
from tests.dashboard.conftest import Outcome, World
from tests.dashboard.reading import Page
from tests.dashboard.test_serve import RUN

KEY = "a//<b>"


def _export(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, "export", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def filled(world: World) -> World:
    """A store with two variants on two days."""
    world.write_flags(**{KEY: "ENABLED"})
    for days_ago in (0, 1):
        outcomes = [Outcome(v, 10.0 + nth) for v in ("old", "new") for nth in range(50)]
        world.record(KEY, outcomes, days_ago=days_ago, weights={"old": 1, "new": 1})
    return world


def test_a_report_is_one_file_that_asks_for_nothing(filled: World) -> None:
    """It holds the page's numbers and plots; no address in it leads anywhere."""
    done = _export(filled.folder, KEY, "-o", "report.html")
    assert (done.returncode, done.stderr) == (0, "")
    html = (filled.folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.row("Requests")[1:] == ["100", "100"]
    assert page.table("Variant")[1][0].startswith("old")
    assert all(link.startswith("#") for link in page.links)
    for tag, given in page.tags:
        assert "src" not in given, tag
        assert tag != "link"
        assert given.get("href", "#").startswith("#")
    assert '<script type="application/json" id="plots">' in html
    assert "Plotly" in html
    assert sorted(path.name for path in filled.folder.iterdir()) == [
        *("flags.json", "report.html", "store.db")
    ]


def test_its_policy_lets_run_just_what_it_holds(filled: World) -> None:
    """Each script and style inside has its hash in the policy, and nothing else may run."""
    _export(filled.folder, KEY, "-o", "report.html")
    html = (filled.folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert found
    policy = found[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    inside = re.findall(
        r"<(?:script|style)(?: id=\S+ class=\S+)?>(.*?)</(?:script|style)>", html, re.S
    )
    assert len(inside) == 4
    for content in inside:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_json_and_csv_hold_the_same_numbers(filled: World) -> None:
    """To standard output, or to a file whose suffix says which."""
    report = json.loads(_export(filled.folder, KEY, "--format", "json").stdout)
    assert report["variants"]["new"]["requests"] == 100
    _export(filled.folder, KEY, "-o", "report.csv")
    text = (filled.folder / "report.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["requests"]) for row in rows) == 200


def test_what_cannot_be_exported_ends_with_2_and_a_reason(filled: World) -> None:
    """An unknown key, a missing store, a folder that is not there: nothing is written."""
    for arguments, reason in (
        (("none",), "no experiment 'none'"),
        ((KEY, "--store", "sqlite:///none.db"), "no such file"),
        ((KEY, "-o", "none/report.html"), "No such file or directory"),
    ):
        done = _export(filled.folder, *arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("error: ")
        assert reason in done.stderr
        assert done.stdout == ""
    assert {path.name for path in filled.folder.iterdir()} == {"flags.json", "store.db"}


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    """Whoever may do anything would else replace `/dev/null` by a file."""
    pipe, text = tmp_path / "pipe", "a\n" * 100_000
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        got = threads.submit(pipe.read_text, encoding="utf-8")
        write_whole(pipe, text)
        assert got.result(30) == text
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]
