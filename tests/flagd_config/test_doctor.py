"""The doctor: checks of anybody's, side by side, whatever becomes of one of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openfeature_triton.flagd_config import offers
from openfeature_triton.flagd_config.doctor import examine
from openfeature_triton.flagd_config.doctor_commands import doctor

SENTINEL = "s3ntinel-credential"
_together = threading.Barrier(2)
_hold = threading.Event()


def fine() -> list[tuple[str, str, str]]:
    """All is well."""
    return [("fine", "as it should be", "")]


def warns() -> list[tuple[str, str, str]]:
    """One thing of two is not."""
    return [*fine(), ("warning", "odd\nindeed", "look at it")]


def fails() -> list[tuple[str, str, str]]:
    """A mistake of the check's own."""
    raise RuntimeError(SENTINEL)


def hangs() -> list[tuple[str, str, str]]:
    """Never in time."""
    _hold.wait(30)
    return fine()


def meets() -> list[tuple[str, str, str]]:
    """Waits for another check to be under way at the same time."""
    _together.wait(10)
    return fine()


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    _hold.clear()
    yield
    _hold.set()


def install(monkeypatch: pytest.MonkeyPatch, **functions: str) -> None:
    """Put these checks in the place of the installed ones."""
    made = [
        EntryPoint(f"check.{name}", value if ":" in value else f"{__name__}:{value}", offers.GROUP)
        for name, value in functions.items()
    ]

    def found(*, group: str, name: str | None = None) -> list[Any]:
        return [each for each in made if each.group == group and name in (None, each.name)]

    monkeypatch.setattr(offers, "entry_points", found)


def run(*arguments: str) -> Result:
    """Type the command."""
    result = CliRunner().invoke(doctor, arguments)
    assert SENTINEL not in result.output
    return result


def test_each_check_has_its_lines_and_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text on one line, advice below it; exit code 1 where something is not fine."""
    install(monkeypatch, a="fine", b="warns")
    result = run()
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "a  ok      as it should be",
        "b  ok      as it should be",
        "   !       odd\\nindeed",
        "           → look at it",
        "",
        "2 checks: 0 broken, 1 with warnings",
    ]
    assert run("a").exit_code == 0
    assert "1 checks: all fine" in run("a").output


def test_the_same_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts: the worst state of each, and of all."""
    install(monkeypatch, a="fine", b="warns", c="fails")
    result = run("--json")
    said = json.loads(result.output)
    assert (result.exit_code, said["ok"]) == (1, False)
    assert {each["check"]: each["state"] for each in said["checks"]} == {
        "a": "fine",
        "b": "warning",
        "c": "broken",
    }
    assert said["checks"][1]["lines"][1]["advice"] == "look at it"


def test_one_that_hangs_or_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is there, in the order of names; a failure's message is not shown."""
    install(monkeypatch, a="hangs", b="fails", c="fine", d="no_such_module:check", e="nothing")
    began_s = time.monotonic()
    found = {each.name: each for each in examine(0.5)}
    assert time.monotonic() - began_s < 10
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert "no answer within 0.5 s" in found["a"].lines[0].text
    assert "RuntimeError" in found["b"].lines[0].text
    assert found["c"].state == "fine"
    for name in ("d", "e"):
        assert "can't be had" in found[name].lines[0].text
        assert "reinstall" in found[name].lines[0].advice


def test_checks_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that wait for each other both come back."""
    install(monkeypatch, a="meets", b="meets")
    assert [each.state for each in examine(20)] == ["fine", "fine"]


def test_what_it_cannot_do_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name, and an installation without checks."""
    install(monkeypatch, a="fine")
    result = run("b")
    assert result.exit_code == 2
    assert "there are: a" in result.output
    install(monkeypatch)
    result = run()
    assert result.exit_code == 2
    assert "reinstall" in result.output


def test_all_checks_are_installed() -> None:
    """Each folder brings its own."""
    assert offers.names_offered("check") == (
        "bucketing",
        "clock",
        "flags",
        "keys",
        "libraries",
        "reading",
        "registry",
        "spool",
        "store",
        "tritons",
    )
