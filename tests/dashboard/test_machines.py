from __future__ import annotations

import csv
import io

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.dashboard.conftest import Outcome, World
from tests.dashboard.reading import Page

HOSTILE = ('a"b\\c', "x\ny", "=1+1", "a/b//c")


def test_metrics_come_by_day_by_hour_or_in_all(world: World) -> None:
    """Each line holds one variant's numbers of one period, which says where it begins and ends."""
    world.record("e", [Outcome("old", 10.0), Outcome("new", 20.0, "timeout")])
    world.record("e", [Outcome("old", 30.0), Outcome("old", 40.0)], days_ago=1)
    client = world.client()
    days = client.get("/api/experiments/e/metrics").get_json()["metrics"]
    assert [(each["variant"], each["start"], each["requests"]) for each in days] == [
        ("old", "2026-11-23T00:00:00+00:00", 2),
        ("new", "2026-11-24T00:00:00+00:00", 1),
        ("old", "2026-11-24T00:00:00+00:00", 1),
    ]
    assert days[1]["errors_by_class"] == {"timeout": 1}
    hours = client.get("/api/experiments/e/metrics?by=hour&variant=new").get_json()["metrics"]
    assert [(each["start"], each["end"]) for each in hours] == [
        ("2026-11-24T10:00:00+00:00", "2026-11-24T11:00:00+00:00")
    ]
    old, new = client.get("/api/experiments/e/metrics?by=total").get_json()["metrics"]
    assert (old["requests"], old["mean_ms"]) == (3, pytest.approx(80 / 3))
    assert new["start"] == "2026-11-24T10:00:00+00:00"


def test_metrics_can_be_narrowed_to_a_range_of_time(world: World) -> None:
    """A date as the end is meant with its whole day; a time is widened to its hour."""
    world.record("e", [Outcome("old", 10.0)])
    for days_ago in (1, 2, 3):
        world.record("e", [Outcome("old", 10.0)], days_ago=days_ago)
    client = world.client()

    def days(query: str) -> list[str]:
        found = client.get(f"/api/experiments/e/metrics?{query}").get_json()["metrics"]
        return [each["start"][:10] for each in found]

    assert days("start=2026-11-22&end=2026-11-23") == ["2026-11-22", "2026-11-23"]
    assert days("start=2026-11-24T10:59:00Z") == ["2026-11-24"]
    assert days("start=2026-11-24T11:00:00Z") == []
    assert days("end=2026-11-21T10:30:00") == ["2026-11-21"]
    assert days("variant=new") == []
    assert days("start=9999-12-31") == []
    assert len(days("start=0001-01-01&end=9999-12-31")) == 4


def test_metrics_can_be_narrowed_to_a_phase(world: World) -> None:
    """As JSON, in all too, and as the table that a phase's page links to."""
    world.record("e", [Outcome("old", 10.0)], days_ago=1, phase="aaaa1111")
    world.record("e", [Outcome("old", 20.0)], phase="bbbb2222")
    client = world.client()
    for by in ("day", "hour", "total"):
        path = f"/api/experiments/e/metrics?phase=bbbb2222&by={by}"
        (only,) = client.get(path).get_json()["metrics"]
        assert (only["start"][:10], only["requests"], only["mean_ms"]) == ("2026-11-24", 1, 20.0)
    assert client.get("/api/experiments/e/metrics?phase=none").get_json()["metrics"] == []
    found = Page(client.get("/experiments/e?phase=bbbb2222").text)
    (link,) = [each for each in found.links if "metrics.csv" in each]
    (line,) = csv.DictReader(io.StringIO(client.get(link).text))
    assert line["start"] == "2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("by=week", "by"),
        ("start=soon", "start"),
        ("start=1700000000", "start"),
        ("end=2026-13-01", "end"),
        ("end=2026-11-24T25:00", "end"),
        ("start=2026-11-24&end=2026-11-22", "start must lie before end"),
        ("moon=1", "moon"),
        ("by=day&by=hour", "by: give it once"),
    ],
)
def test_a_query_that_is_wrong_is_400_and_says_where(world: World, query: str, named: str) -> None:
    """The answer names the parameter, as JSON."""
    world.record("e", [Outcome("old", 10.0)])
    response = world.client().get(f"/api/experiments/e/metrics?{query}")
    assert response.status_code == 400
    assert named in response.get_json()["detail"]


def test_metrics_of_an_unknown_experiment_are_404(world: World) -> None:
    """One that only the flag file has is known, and has nothing yet."""
    world.write_flags(e="ENABLED")
    world.record("other", [Outcome("old", 10.0)])
    client = world.client()
    assert client.get("/api/experiments/none/metrics").status_code == 404
    assert client.get("/api/experiments/e/metrics").get_json()["metrics"] == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_csv_holds_the_numbers_and_starts_no_formula(world: World, hostile: str) -> None:
    """A spreadsheet reads texts as texts; numbers are those of the JSON."""
    world.record(hostile, [Outcome(hostile, 10.0, metrics={"word_accuracy": 0.5})])
    client = world.client()
    [line] = client.get("/api/experiments").get_json()["experiments"]
    from urllib.parse import quote

    path = f"/api/experiments/{quote(line['definition']['key'])}/metrics"
    response = client.get(f"{path}.csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment; filename=" in response.headers["Content-Disposition"]
    [row] = csv.DictReader(io.StringIO(response.text, newline=""))
    [wanted] = client.get(path).get_json()["metrics"]
    assert row["variant"].removeprefix("'") == wanted["variant"]
    assert not row["variant"].startswith("=")
    assert (row["requests"], row["word_accuracy_mean"]) == ("1", "0.5")
    assert float(row["p95_ms"]) == wanted["p95_ms"]


def test_prometheus_reads_the_counters(world: World) -> None:
    """Its own parser gives back the counts and the texts, hostile ones too."""
    for hostile in HOSTILE:
        world.record(hostile, [Outcome(hostile, 10.0, "timeout"), Outcome(hostile, 10.0)])
    response = world.client().get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(response.text)}
    requests = found["openfeature_triton_requests"].samples
    assert {sample.labels["experiment"] for sample in requests} == {
        *HOSTILE[:1],
        *HOSTILE[2:],
        "other",
    }
    assert {sample.value for sample in requests} == {2.0}
    assert [sample.value for sample in found["openfeature_triton_errors"].samples] == [1.0] * 4
