"""Logging: quiet, structured, and without what a request or a secret holds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from openfeature_triton.flagd_config import Document, read_document
from openfeature_triton.provider.experiment_log import changes, log_changes
from openfeature_triton.provider.file_flags import FileFlags
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider
from tests.provider.test_experiments import SERVICES, write_flags

_log = logging.getLogger("openfeature_triton.provider.tests")


def document(path: Path, **flags: dict[str, Any]) -> Document:
    """A document with these flags."""
    return read_document(write_flags(path, **flags))


def test_what_becomes_of_experiments_is_told_once(tmp_path: Path) -> None:
    """Starts, changes and ends; a change of the metadata alone is none."""
    path = tmp_path / "flags.json"
    first = document(path, a={}, b={}, off={"state": "DISABLED"})
    split = {"fractional": [["control", 1], ["treatment", 3]]}
    second = document(path, a={"targeting": split}, b={"state": "DISABLED"}, c={})
    owned = document(path, a={"targeting": split, "metadata": {"owner": "x"}}, c={})

    def told(before: Document | None, after: Document) -> list[tuple[str, str]]:
        return [(what, each.key) for what, each in changes(before, after)]

    assert told(None, first) == [("starts", "a"), ("starts", "b")]
    assert sorted(told(first, second)) == [("changes", "a"), ("ends", "b"), ("starts", "c")]
    assert told(second, owned) == []


def test_the_line_has_its_fields(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """For a log that is searched by machines."""
    caplog.set_level(logging.INFO, "openfeature_triton")
    log_changes(None, document(tmp_path / "flags.json", a={}))
    (record,) = caplog.records
    assert record.getMessage().startswith("experiment a starts: control 50, treatment 50 (phase ")
    assert vars(record)["experiment"] == "a"
    assert vars(record)["change"] == "starts"
    assert len(vars(record)["phase"]) == 8


def test_a_provider_tells_what_goes_live(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, at the start."""
    caplog.set_level(logging.INFO, "openfeature_triton.provider.experiment_log")
    provider = TritonProvider(FileFlags(write_flags(tmp_path / "flags.json", a={})), SERVICES)
    provider.initialize(None)  # type: ignore[arg-type]
    provider.shutdown()
    told = [record.getMessage() for record in caplog.records if "starts" in record.getMessage()]
    assert len(told) == 1


def test_troubles_are_told_once_a_minute_without_what_they_say(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The exception's class and the count; its text may be a user's or a secret."""
    tally = Tally(_log)
    for _ in range(5):
        try:
            raise ValueError("the user said s3ntinel")
        except ValueError:
            tally.trouble("an outcome was not recorded")
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.getMessage() == "an outcome was not recorded: ValueError (1 since last said)"
    assert (vars(record)["error_type"], vars(record)["count"]) == ("ValueError", 1)
    assert "s3ntinel" not in caplog.text
    assert tally.counts() == {"an outcome was not recorded": 5}
