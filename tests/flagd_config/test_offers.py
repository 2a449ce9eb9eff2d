from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from openfeature_triton.flagd_config import offers
from openfeature_triton.flagd_config.offers import NotOfferedError, names_offered, offered


def _install(monkeypatch: pytest.MonkeyPatch, **named: str) -> None:
    """Put other entry points in the place of the installed ones."""
    made = [
        EntryPoint(name.replace("__", "."), value, offers.GROUP) for name, value in named.items()
    ]

    def found(*, group: str, name: str | None = None) -> list[Any]:
        return [each for each in made if each.group == group and name in (None, each.name)]

    monkeypatch.setattr(offers, "entry_points", found)


def test_the_planner_is_offered() -> None:
    """The installed distribution offers the statistics' planner, which no import could reach."""
    assert offered("requests_per_arm")(0.01, 0.25) > 30_000


def test_what_nobody_offers_says_what_to_do() -> None:
    """An old installation gives one clear line."""
    with pytest.raises(NotOfferedError, match="reinstall"):
        offered("no_such_function")


def test_what_cannot_be_imported_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is gone is named by the error's type."""
    _install(monkeypatch, gone="no_such_module:function")
    with pytest.raises(NotOfferedError, match="ModuleNotFoundError"):
        offered("gone")


def test_offers_of_one_kind_come_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several may offer the same kind, in a steady order."""
    _install(monkeypatch, check__b="builtins:abs", check__a="builtins:len", checks="builtins:max")
    assert names_offered("check") == ("a", "b")
    assert offered("check.a") is len
