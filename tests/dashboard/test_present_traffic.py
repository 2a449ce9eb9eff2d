from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from openfeature_triton.dashboard.present_traffic import read_traffic
from openfeature_triton.flagd_config import example, read_document
from openfeature_triton.flagd_config.forecast import read_forecasts
from openfeature_triton.flagd_config.plan_commands import plan
from tests.dashboard.conftest import NOW, Outcome, World

KEY = "nmt-indictrans3"


def test_a_plan_says_when_it_is_reached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planned less what is in, at the requests of a day of late, is days from now."""
    for days_ago in (0, 1, 2):
        world.record(KEY, [Outcome("control", 5.0)] * 1000, days_ago=days_ago, minutes_ago=0)
    monkeypatch.setenv("OFT_STORE", world.url)
    (found,), problem = read_forecasts(read_document(example("nmt")), NOW)
    assert (found.requests, found.planned, problem) == (3000, 40_000, "")
    assert found.per_day == pytest.approx(1500, rel=0.05)
    left = timedelta(days=-(-37_000 // found.per_day))
    assert found.reached == (NOW + left).date().isoformat()


def test_a_store_without_traffic_tells_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An experiment that nobody was in has no day; one whose plan is in can be concluded."""
    world.record("other", [Outcome("control", 5.0)])
    monkeypatch.setenv("OFT_STORE", world.url)
    (found,), _ = read_forecasts(read_document(example("nmt")), NOW)
    assert "no traffic to tell" in str(found)


def test_without_a_store_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is configured, so none is asked, and none is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OFT_STORE", raising=False)
    assert read_traffic([KEY], NOW) is None
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_does_not_stop_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is made, and standard error says what is not known, and why."""
    monkeypatch.setenv("OFT_STORE", f"sqlite:///{tmp_path}/none.db")
    path = str(example("nmt"))
    result = CliRunner().invoke(plan, [path, path, "--count", "10", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["forecasts"] == []
    assert "the end at present traffic is not known" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bad_setting_of_another_command_does_not_stop_a_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dashboard's port is no reason not to plan; what can't be read is named."""
    monkeypatch.setenv("OFT_PORT", "abc")
    answer = read_traffic([KEY], NOW)
    assert answer is not None
    assert "(port)" in answer["problem"]
