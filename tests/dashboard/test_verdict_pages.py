"""The page of an experiment as a stakeholder meets it: what to do, why, and what could be wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from openfeature_triton.flagd_config import read_document
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.reading import Page


def _write(world: World, weights: dict[str, int], **metadata: Any) -> str:
    """Write a flag file with the experiment `e` of these weights; give its phase."""
    flag = {
        "state": "ENABLED",
        "variants": {variant: {"service": f"asr-{variant}"} for variant in weights},
        "defaultVariant": None,
        "targeting": {"fractional": [[v, weight] for v, weight in weights.items()]},
        "metadata": {"experiment": True, "task_type": "asr", "control": "old"} | metadata,
    }
    world.flags.write_text(json.dumps({"flags": {"e": flag}}), encoding="utf-8")
    return read_document(world.flags).experiments["e"].phase


def _outcomes(variant: str, count: int, failed: int, language: str = "hi") -> list[Outcome]:
    return [
        Outcome(variant, 10.0 + nth % 7, "timeout" if nth < failed else "", language)
        for nth in range(count)
    ]


def _page(world: World) -> Page:
    response = world.client().get("/experiments/e")
    assert response.status_code == 200
    return Page(response.text)


def test_a_better_treatment_is_to_be_shipped(world: World) -> None:
    """The sentence, its numbers, the table's row and the list say the same."""
    plan = {"primary_metric": "success_rate", "minimum_effect": 0.05, "planned_requests": 4000}
    phase = _write(world, {"old": 50, "new": 50}, **plan)
    outcomes = _outcomes("old", 2000, 300) + _outcomes("new", 2000, 60)
    world.record("e", outcomes, phase=phase)
    page = _page(world)
    assert "Ship" in page.text
    assert "fails 12.0 points less often" in page.text
    row = page.row("Success rate primary")
    assert (row[1], row[2], row[3]) == ("85.00 %", "97.00 %", "+14.1 %")
    assert row[-1] == "▲ better"
    assert "Ship" in Page(world.client().get("/").text).row("e asr")[2]


def test_what_only_an_earlier_look_showed_is_said_so(world: World) -> None:
    """The row is not called better where its interval holds 0 by now, nor is it to be shipped."""
    phase = _write(world, {"old": 50, "new": 50}, primary_metric="success_rate")
    first = _outcomes("old", 500, 150) + _outcomes("new", 500, 60)
    world.record("e", first, phase=phase, days_ago=1)
    world.record("e", _outcomes("old", 3000, 450) + _outcomes("new", 3000, 500), phase=phase)
    page = _page(world)
    row = page.row("Success rate primary")
    assert row[4].startswith("−")
    assert row[-1] == "· better at an earlier look"
    assert "which an earlier look showed and this one does not: review it" in page.text


def test_under_a_broken_split_no_winner_is_named(world: World) -> None:
    """However good the treatment looks, nothing on the page calls it better."""
    phase = _write(world, {"old": 50, "new": 50})
    world.record("e", _outcomes("old", 1500, 300) + _outcomes("new", 900, 5), phase=phase)
    page = _page(world)
    assert "The split is broken" in page.text
    assert "not to be trusted" in page.text
    assert "better" not in page.text
    assert "ship it" not in page.text
    assert "⚠ broken (p < 0.0001)" in page.row(f"{phase} current")[3]
    assert "better" not in world.client().get("/api/experiments/e").text


def test_fallbacks_and_stale_data_are_warned_of(world: World) -> None:
    """More than 1 % answered by another variant; a running experiment that nobody hears of."""
    phase = _write(world, {"old": 50, "new": 50})
    fallen = [Outcome("new", 1.0, served="old") for _ in range(5)]
    world.record("e", [*_outcomes("old", 50, 1), *_outcomes("new", 45, 1), *fallen], phase=phase)
    text = _page(world).text
    assert "5.00\u00a0% of the requests were answered by another variant, so" in text
    assert "though the experiment runs" in text


def test_a_plan_that_cannot_be_read_is_said(world: World) -> None:
    """The verdict goes on without it, and the page names what is wrong."""
    phase = _write(world, {"old": 50, "new": 50}, minimum_effect="much", guardrails="moon")
    world.record("e", _outcomes("old", 30, 1) + _outcomes("new", 30, 1), phase=phase)
    text = _page(world).text
    assert "minimum_effect: 'much' is no positive number" in text
    assert "'moon' is no guardrail" in text


def test_users_that_are_not_named_are_warned_of(world: World) -> None:
    """Where requests have to be compared, the page says what that means."""
    phase = _write(world, {"old": 50, "new": 50}, unit="user")
    world.record("e", _outcomes("old", 30, 1) + _outcomes("new", 30, 1), phase=phase)
    assert "Randomised by user, but no request names its user" in _page(world).text


def test_users_are_compared_where_they_are_the_unit(world: World) -> None:
    """One user's many failures decide nothing; by request they would."""
    failures = {"old": 2, "new": 2}
    outcomes = []
    for variant, failed in failures.items():
        for user in range(300):
            count, bad = (200, 150) if (variant, user) == ("old", 7) else (4, user % failed == 0)
            outcomes += [
                Outcome(variant, 20.0, "timeout" if nth < bad else "", user=f"{variant}-{user}")
                for nth in range(count)
            ]
    kinds = {}
    for unit in ("user", "request"):
        plan = {"unit": unit, "planned_requests": 10_000, "minimum_effect": 0.05}
        phase = _write(world, {"old": 50, "new": 50}, **plan)
        world.record("e", outcomes, phase=phase)
        page = _page(world)
        kinds[unit] = page.row("Success rate primary")[-1]
        assert ("Users are compared, not requests" in page.text) == (unit == "user")
        world.record("e", [Outcome("new", 20.0)] * 40, phase=phase)
        if unit == "user":
            assert "left out of every comparison" in _page(world).text
        (world.folder / "store.db").unlink()
    assert kinds == {"user": "· no difference shown", "request": "▲ better"}


def test_five_variants_each_have_their_comparison(world: World) -> None:
    """Four tables against control, each with its own verdict."""
    weights = dict.fromkeys(("old", "a", "b", "c", "d"), 20)
    phase = _write(world, weights)
    outcomes = [each for name in weights for each in _outcomes(name, 200, 20)]
    world.record("e", outcomes, phase=phase)
    page = _page(world)
    tables = [table for table in page.tables if table[0][0] == "Compared"]
    assert [table[0][2] for table in tables] == ["a", "b", "c", "d"]
    assert "d against old" in page.text


def test_twelve_languages_have_a_forest(world: World) -> None:
    """A row for each, beside the table of all numbers."""
    phase = _write(world, {"old": 50, "new": 50})
    languages = ("as", "bn", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur")
    outcomes = [
        each
        for language in languages
        for variant in ("old", "new")
        for each in _outcomes(variant, 60, 6, language)
    ]
    world.record("e", outcomes, phase=phase)
    tables = [table for table in _page(world).tables if table[0][0] == "Language"]
    assert [row[0] for row in tables[0][1:]] == list(languages)


def test_one_variant_alone_has_a_page(world: World) -> None:
    """Nothing can be compared yet, and the page says so."""
    phase = _write(world, {"old": 50, "new": 50})
    world.record("e", _outcomes("old", 5, 1), phase=phase)
    text = _page(world).text
    assert "Nothing was recorded of a treatment yet." in text


@pytest.mark.usefixtures("empty_store")
def test_thirty_experiments_have_a_list(world: World) -> None:
    """All are there, with and without traffic."""
    world.write_flags(**{f"e{nth:02}": "ENABLED" for nth in range(30)})
    world.record("e07", _outcomes("old", 3, 0))
    rows = Page(world.client().get("/").text).table("Experiment")[1:]
    assert len(rows) == 30
    assert {row[0].split()[0] for row in rows} == {f"e{nth:02}" for nth in range(30)}


def test_looks_of_the_first_days_stay_by_the_hour(world: World) -> None:
    """What was looked at by the hour stays so; later days are one look each."""
    phase = _write(world, {"old": 50, "new": 50})
    for days_ago in (0, 1, 2, 3, 4, 5):
        outcomes = _outcomes("old", 40, 4) + _outcomes("new", 40, 4)
        world.record("e", outcomes, phase=phase, days_ago=days_ago)
    found = world.client().get("/api/experiments/e").get_json()
    times = [each["time"] for each in found["looks"]["new"]]
    assert [time[11:16] for time in times] == [*["11:00"] * 3, *["00:00"] * 2, "12:00"]


def test_a_guarded_rate_has_a_row_of_its_own(world: World) -> None:
    """Beside the success rate: its margin, and whether it is harmed."""
    plan = {"primary_metric": "success_rate", "guardrails": "error_rate:10%, latency_p95:20%"}
    phase = _write(world, {"old": 50, "new": 50}, **plan)
    world.record("e", _outcomes("old", 2000, 60) + _outcomes("new", 2000, 400), phase=phase)
    page = _page(world)
    row = page.row("Error rate")
    assert row[1:3] == ["3.00 %", "20.00 %"]
    assert "guardrail, 10 % allowed: harmed" in row[-1]


def test_what_was_dropped_is_warned_of(world: World) -> None:
    """By reason, and dead letters too; a process that lost nothing is said to be fine."""
    phase = _write(world, {"old": 50, "new": 50})
    world.record("e", _outcomes("old", 30, 1) + _outcomes("new", 30, 1), phase=phase)
    assert "Recording" not in _page(world).text
    said: dict[str, Any] = {"at_s": NOW.timestamp(), "accepted": 1200}
    folder = world.folder / "spool"
    folder.mkdir()
    (folder / "1.health.json").write_text(json.dumps(said), encoding="utf-8")
    assert "Nothing was dropped by the recording process seen from here." in _page(world).text
    said |= {"dropped": {"queue_full": 3}, "delivery": {"dead_lettered": 2}}
    (folder / "1.health.json").write_text(json.dumps(said), encoding="utf-8")
    wanted = "5 of 1,203 outcomes of all experiments never came to the store"
    assert f"{wanted} (queue full: 3, refused by InfluxDB: 2)." in _page(world).text


def test_phases_say_what_changed(world: World) -> None:
    """From the recorded definitions; a phase of which none is known says nothing."""
    for days_ago, weights in ((2, None), (1, {"old": 90, "new": 10}), (0, {"old": 50, "new": 50})):
        phase, definition, metadata = "aaaa1111", "", ""
        if weights is not None:
            phase = _write(world, weights, owner=f"o{days_ago}")
            experiment = read_document(world.flags).experiments["e"]
            definition = experiment.definition
            metadata = json.dumps(dict(experiment.metadata))
        world.record(
            "e",
            _outcomes("old", 3, 1),
            phase=phase,
            days_ago=days_ago,
            weights=weights,
            definition=definition,
            metadata=metadata,
        )
    page = _page(world)
    assert "Weight of new: 10 → 50" in page.text
    assert "owner: o1 → o0" in page.text
    found = world.client().get("/api/experiments/e").get_json()["phases"]
    assert [each["changes"] is None for each in found] == [False, True, True]


def test_a_page_can_be_shared(world: World) -> None:
    """By a link to what is shown, and as one file for people without access."""
    key = 'a/../"<b>é'
    world.record(key, _outcomes("old", 3, 1), weights={"old": 1, "new": 1})
    client = world.client()
    page = client.get("/experiments/a/..%2F%22%3Cb%3E%C3%A9?phase=aaaa1111")
    link = next(each for each in Page(page.text).links if "phase=" in each)
    assert client.get(link).status_code == 200
    report = client.get(next(each for each in Page(page.text).links if "/reports/" in each))
    assert report.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "/" not in report.headers["Content-Disposition"]
    assert "made 20" in report.text
    assert client.get("/reports/nothing").status_code == 404


def test_a_number_that_is_too_large_is_said_to_be_that(world: World) -> None:
    """Not that it is no positive number; none is taken."""
    _write(world, {"old": 50, "new": 50}, planned_requests=10**30, minimum_effect=0)
    world.record("e", _outcomes("old", 10, 1))
    text = _page(world).text
    assert f"planned_requests: {10**30} is not below 1,000,000,000,000,000" in text
    assert "minimum_effect: 0 is no positive number" in text


def test_the_numbers_of_each_plot_can_be_read(world: World) -> None:
    """Latencies by share, and exposures over time beside what was promised, without a script."""
    phase = _write(world, {"old": 50, "new": 50})
    for days_ago in (1, 0):
        outcomes = _outcomes("old", 210, 30) + _outcomes("new", 196, 10)
        world.record("e", outcomes, phase=phase, days_ago=days_ago)
    page = _page(world)
    assert page.text.count("Numbers of this plot") == 3
    shares = {row[0]: row[1:] for row in page.table("Share of requests")}
    assert shares["50 %"] == page.row("p50 latency ms")[1:]
    assert shares["99.9 %"] == page.row("p99 latency ms")[1:]
    exposed = next(table for table in page.tables if table[0][2:3] == ["promised"])
    assert exposed[0] == ["Until, UTC", "old", "promised", "new", "promised"]
    assert exposed[1][1:] == ["210", "203", "196", "203"]
    assert exposed[-1][1:] == ["420", "406", "392", "406"]


def test_each_table_has_a_name_and_no_heading_is_empty(world: World) -> None:
    """For whoever hears the page: a caption, or the heading that it is labelled by."""
    phase = _write(world, {"old": 50, "new": 50}, minimum_effect=0.05)
    for days_ago in (1, 0):
        outcomes = _outcomes("old", 200, 30) + _outcomes("new", 200, 10)
        world.record("e", outcomes, phase=phase, days_ago=days_ago)
    page = _page(world)
    assert "Numbers of this plot" in page.text
    ids = {given["id"] for _, given in page.tags if "id" in given}
    tables = [given for tag, given in page.tags if tag == "table"]
    captions = [tag for tag, _ in page.tags if tag == "caption"]
    named = [each["aria-labelledby"] for each in tables if "aria-labelledby" in each]
    assert len(named) + len(captions) == len(tables)
    assert {part for each in named for part in each.split()} <= ids
    html = world.client().get("/experiments/e").text
    heads = re.findall(r"<thead.*?</thead>", html, re.DOTALL)
    bare = [each for head in heads for each in re.findall(r"<td(?![^>]*presentation)[^>]*>", head)]
    assert heads
    assert bare == []
