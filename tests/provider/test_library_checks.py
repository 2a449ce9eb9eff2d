"""Known-bad combinations of libraries, and what is installed here."""

from __future__ import annotations

import pytest

from openfeature_triton.provider import library_checks
from openfeature_triton.provider.library_checks import KNOWN_BAD, Lines, libraries

GOOD = {
    "openfeature-provider-flagd": "0.6.1",
    "openfeature-flagd-core": "2.0.0",
    "openfeature-sdk": "0.10.0",
    "protobuf": "7.36.2",
}


def looked_at(monkeypatch: pytest.MonkeyPatch, **changes: str) -> Lines:
    """What is said of an installation that is good but for these."""
    have = {**GOOD, **{name.replace("_", "-"): version for name, version in changes.items()}}
    monkeypatch.setattr(library_checks, "_installed", have.get)
    monkeypatch.setattr(library_checks, "_minima", lambda: {"openfeature-sdk": "0.10"})
    return libraries()


def test_what_is_installed_here_is_fine() -> None:
    """The tests run with what the project asks for."""
    (line,) = libraries()
    assert line[0] == "fine", line
    assert "openfeature-provider-flagd" in line[1]


def test_a_good_installation_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next test does not pass for another reason."""
    assert [state for state, _, _ in looked_at(monkeypatch)] == ["fine"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"openfeature_provider_flagd": "0.5.2", "openfeature_flagd_core": "1.0.0"}, "before 0.6"),
        ({"openfeature_flagd_core": "1.0.0"}, "openfeature-flagd-core before 2"),
        ({"protobuf": "6.33.1"}, "protobuf before 7"),
        ({"nvidia_pytriton": "0.7.0"}, "nvidia-pytriton is installed"),
        ({"openfeature_sdk": "0.8.2"}, "openfeature-sdk 0.8.2 is older than 0.10"),
    ],
)
def test_each_bad_combination_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    """One line for it, and only for it."""
    (line,) = looked_at(monkeypatch, **changes)
    assert line[0] == "broken"
    assert said in line[1]
    assert "pip" in line[2]


def test_each_known_combination_is_tried_above() -> None:
    """A new one needs a case."""
    assert len(KNOWN_BAD) == 4


def test_a_library_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises."""
    monkeypatch.setattr(library_checks, "_IMPORTED", ("no_such_module_at_all",))
    (line,) = libraries()
    assert "no_such_module_at_all can't be imported (ModuleNotFoundError)" in line[1]
