"""Flags that are no good, each of which costs only itself."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from openfeature_triton.dashboard.definitions import read_flags
from tests.dashboard.conftest import Outcome, World, flag
from tests.dashboard.reading import Page
from tests.dashboard.test_serve import RUN


def _broken(**metadata: Any) -> dict[str, Any]:
    good: dict[str, Any] = flag("ENABLED")
    return {**good, "metadata": good["metadata"] | metadata}


def _of_weight(weight: object) -> dict[str, Any]:
    return {**flag("ENABLED"), "targeting": {"fractional": [["new", weight], ["old", weight]]}}


BROKEN: dict[str, object] = {
    "control": _broken(control="none"),
    "unit": _broken(unit="household"),
    "zero": _of_weight(0),
    "float": _of_weight(0.5),
    "state": {**flag("ENABLED"), "state": "maybe"},
}


def _write(world: World, **flags: object) -> None:
    world.flags.write_text(json.dumps({"flags": flags}), encoding="utf-8")


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_flag_is_listed_with_its_reason_and_costs_no_other(
    world: World, fault: str
) -> None:
    """The good one runs and has its verdict, whose phase nobody recorded."""
    outcomes = [Outcome(v, 10.0, "timeout" if n < 15 else "") for v in ("old", "new")
                for n in range(60)]  # fmt: skip
    world.record("good", outcomes, phase="")
    _write(world, bad=BROKEN[fault], good=flag("ENABLED"))
    client = world.client()
    page = Page(client.get("/").text)
    assert "1 running" in page.text
    [_, bad, good] = page.table("Experiment")
    assert bad[1] == "Invalid flag"
    assert "The flag can’t be used" in bad[2]
    assert "flag 'bad'" in bad[2]
    assert good[1] == "Running"
    assert "old" in good[2]
    own = client.get("/experiments/bad")
    assert own.status_code == 200
    assert "The flag can’t be used" in own.text
    line = json.loads(client.get("/api/experiments/bad").text)["line"]
    assert (line["definition"]["status"], line["verdict"]) == ("invalid", None)
    assert client.get("/api/experiments/bad/metrics").status_code == 200
    assert "flag 'bad'" in Page(client.get("/pipeline").text).text


def test_an_experiment_that_turns_bad_keeps_its_numbers(world: World) -> None:
    """It is the only flag of the file, and shown as before but for its status."""
    world.record("e", [Outcome("old", 1.0)], weights={"old": 90, "new": 10})
    _write(world, e=BROKEN["control"])
    page = Page(world.client().get("/experiments/e").text)
    assert "Invalid flag" in page.text
    assert "1 requests" in page.text
    assert "status is shown" not in page.text


def test_a_bad_flag_that_is_no_experiment_is_no_line_of_the_list(world: World) -> None:
    """The pipeline's page names it."""
    world.record("e", [Outcome("old", 1.0)])
    _write(world, plain={"state": "maybe"}, null=None, e=flag("ENABLED"))
    flags = read_flags(str(world.flags))
    assert (flags.keys, set(flags.refused)) == (("e",), {"plain", "null"})
    client = world.client()
    assert [row[0] for row in Page(client.get("/").text).table("Experiment")[1:]] == [
        "e asr · speech"
    ]
    assert "2 flags can’t be used" in Page(client.get("/pipeline").text).text


def test_the_dashboard_starts_with_a_broken_flag_and_says_so(world: World) -> None:
    """A line of warning for it; before, it ended with 2."""
    world.record("e", [Outcome("old", 1.0)])
    _write(world, bad=BROKEN["zero"], e=flag("ENABLED"))
    command = [sys.executable, "-c", RUN, "dashboard", "--port", "0", "--flags", "flags.json"]
    with subprocess.Popen(
        command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.terminate()
        _, said = running.communicate(timeout=20)
    assert first.startswith("The dashboard is at http://")
    assert said.startswith("warning: flags.json: flag 'bad'")
    assert said.count("\n") == 1
