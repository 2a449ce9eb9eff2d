"""A part of an experiment, chosen by phase and days: what is shown of it, and what never is."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date

import pytest

from openfeature_triton.dashboard.chosen import ChoiceError, Chosen, read_chosen
from tests.dashboard.conftest import Outcome, World
from tests.dashboard.reading import Page
from tests.dashboard.test_serve import RUN
from tests.dashboard.test_verdict_pages import _outcomes, _write

RANGE = "?start=2026-11-22&end=2026-11-23"


@pytest.fixture
def watched(world: World) -> World:
    """Five days in one phase: the treatment is better, but for two days on which it is worse."""
    phase = _write(world, {"old": 50, "new": 50}, planned_requests=4000, minimum_effect=0.05)
    for days_ago in range(5):
        failed = (20, 200) if days_ago in (1, 2) else (200, 4)
        outcomes = _outcomes("old", 400, failed[0]) + _outcomes("new", 400, failed[1])
        world.record("e", outcomes, phase=phase, days_ago=days_ago, weights={"old": 1, "new": 1})
    return world


def page(world: World, query: str = "") -> Page:
    """The page of the experiment."""
    response = world.client().get(f"/experiments/e{query}")
    assert response.status_code == 200
    return Page(response.text)


def test_a_range_of_days_narrows_the_numbers(watched: World) -> None:
    """Counts, effects, days and split are those of the range, both ends in it."""
    found = page(watched, RANGE)
    assert found.row("Requests")[1:] == ["800", "800"]
    assert found.row("Success rate primary")[1:3] == ["95.00 %", "50.00 %"]
    assert [row[0] for row in found.table("Day, UTC")[1:] if len(row[0]) == 10] == [
        "2026-11-22",
        "2026-11-23",
    ]
    assert found.table("Variant")[1][1:3] == ["800", "50.00 %"]
    assert page(watched, "?end=2026-11-20").row("Requests")[1:] == ["400", "400"]


def test_the_verdict_stays_that_of_the_whole(watched: World) -> None:
    """However the chosen days look: neither a range nor a phase makes another, and both say so."""
    whole = page(watched)
    sentence = next(line for line in whole.text.splitlines() if "points less often" in line)
    phase = watched.client().get("/api/experiments/e").get_json()["phases"][0]["phase"]
    for query in (RANGE, f"?phase={phase}", f"{RANGE}&phase={phase}"):
        found = page(watched, query)
        assert sentence in found.text
        assert "to explore. The verdict above is that of the whole experiment" in found.text
    told = watched.client().get(f"/api/experiments/e{RANGE}").get_json()
    assert told["analysis"] == watched.client().get("/api/experiments/e").get_json()["analysis"]
    assert told["part"]["variants"][0]["primary"]["state"] == "worse"
    assert told["chosen"] == {"phase": "", "start": "2026-11-22", "end": "2026-11-23"}


def test_a_range_is_in_the_form_and_in_every_link(watched: World) -> None:
    """So what is shown can be shared, downloaded, and chosen anew without JavaScript."""
    found = page(watched, RANGE)
    fields = {given["name"]: given for tag, given in found.tags if tag == "input"}
    assert fields["start"]["value"] == "2026-11-22"
    assert fields["end"]["type"] == "date"
    links = [link for link in found.links if "2026-11-22" in link]
    assert [link.split("?")[0] for link in links] == [
        "/experiments/e",
        "/reports/e",
        "/api/experiments/e/metrics.csv",
        "/api/experiments/e",
    ]
    client = watched.client()
    assert [client.get(link).status_code for link in links] == [200] * 4
    assert client.get(links[2]).text.count("2026-11-2") == 8
    assert "Only what came from 2026-11-22 to 2026-11-23 is shown" in client.get(links[1]).text
    assert page(watched, "?start=&end=").row("Requests")[1:] == ["2,000", "2,000"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("start=2026-13-01", "start: '2026-13-01' is no day; write one as 2026-11-24"),
        ("end=20261124", "end: '20261124' is no day"),
        ("end=%D9%A2%D9%A0%D9%A2%D9%A6-11-24", "is no day"),
        ("start=<script>", "start: '<script>' is no day"),
        ("start=2026-11-24&end=2026-11-20", "start: 2026-11-24 lies after end, 2026-11-20"),
        ("start=2026-11-24&start=2026-11-25", "start: give it once"),
    ],
)
def test_a_range_that_is_none_is_refused(watched: World, query: str, says: str) -> None:
    """400, by page, JSON and report, with which value is wrong and how to write it."""
    client = watched.client()
    for path in ("/experiments/e", "/reports/e", "/api/experiments/e"):
        response = client.get(f"{path}?{query}")
        assert response.status_code == 400
        text = response.get_json()["detail"] if "/api/" in path else Page(response.text).text
        assert says in text


def test_a_range_in_which_nothing_came_says_so(watched: World) -> None:
    """With when there was something; no plot and no table of nothing."""
    text = page(watched, "?start=2026-12-01").text
    assert "Nothing was recorded from 2026-12-01. The first traffic came 2026-11-20" in text
    assert "points less often" in text
    assert "Effect over time" not in text
    assert watched.client().get("/reports/e?end=1969-01-01").status_code == 200


def test_the_split_of_a_range_is_that_of_its_newest_phase(watched: World) -> None:
    """With the weights of then, and the phase's name."""
    later = _outcomes("old", 9, 1) + _outcomes("new", 1, 0)
    weights = {"old": 90, "new": 10}
    watched.record("e", later, phase="bbbb2222", weights=weights, minutes_ago=30)
    after, before = page(watched, "?start=2026-11-24"), page(watched, "?end=2026-11-23")
    assert after.table("Variant")[1][1:4] == ["9", "90.00 %", "90.00 %"]
    assert "against its weight, in phase bbbb2222" in after.text
    assert before.table("Variant")[1][1:4] == ["1,600", "50.00 %", "50.00 %"]
    assert "against its weight, in the current phase" in before.text


def test_looks_of_a_part_end_when_those_of_the_whole_do(world: World) -> None:
    """A phase that begins after the first days is looked at by the day, not by the hour."""
    for days_ago, phase in ((6, "aaaa1111"), (2, "bbbb2222"), (1, "bbbb2222")):
        outcomes = _outcomes("old", 40, 4) + _outcomes("new", 40, 4)
        weights = {"old": 1, "new": 1}
        world.record(
            "e", outcomes, phase=phase, days_ago=days_ago, weights=weights,
            metadata='{"control": "old"}',
        )  # fmt: skip
    found = world.client().get("/api/experiments/e?phase=bbbb2222").get_json()
    times = [each["time"] for each in found["looks"]["new"]]
    assert [time[:16] for time in times] == ["2026-11-23T00:00", "2026-11-24T00:00"]


def test_a_part_can_be_exported(watched: World) -> None:
    """Days narrow the report in each format; a wrong one ends with 2 and writes nothing."""

    def export(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RUN, "export", "e", *arguments]
        return subprocess.run(
            command, cwd=watched.folder, capture_output=True, text=True, timeout=120, check=False
        )

    phase = watched.client().get("/api/experiments/e").get_json()["phases"][0]["phase"]
    days = ("--start", "2026-11-22", "--end", "2026-11-23")
    assert json.loads(export(*days, "--json").stdout)["whole"]["requests"] == 1600
    assert export(*days, "--format", "csv").stdout.count("\n") == 5
    for arguments, reason in (
        (("--start", "yesterday"), "start: 'yesterday' is no day"),
        (("--phase", "none"), "there is no experiment 'e' with a phase 'none'"),
        (("--phase", phase, "--format", "csv"), "a csv knows no phases"),
    ):
        refused = export(*arguments, "-o", "report.html")
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: {reason}")
    assert not (watched.folder / "report.html").exists()


def test_days_are_said_as_a_person_would() -> None:
    """One day, from, to, or both; nothing without a range."""
    first, last = date(2026, 11, 1), date(2026, 11, 3)
    assert Chosen(start=first, end=first).days == "on 2026-11-01"
    assert Chosen(start=first, end=last).days == "from 2026-11-01 to 2026-11-03"
    assert Chosen(end=last).days == "to 2026-11-03"
    assert (Chosen("p").days, bool(Chosen("p")), bool(Chosen())) == ("", True, False)
    with pytest.raises(ChoiceError, match="phase: give it once"):
        read_chosen({"phase": ["a", "b"]})


def test_a_phase_of_one_outcome_has_a_page(watched: World) -> None:
    """One request, in a phase of its own, beside a chosen range."""
    watched.record("e", [Outcome("new", 1.0)], phase="cccc3333", weights={"old": 1, "new": 1})
    assert page(watched, "?phase=cccc3333&start=2026-11-24").row("Requests")[1:] == ["1"]
