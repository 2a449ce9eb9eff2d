"""The `store` commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from openfeature_triton.hooks import Recorder, RecorderSettings, Series
from openfeature_triton.hooks.commands import store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a store that isn't there yet."""
    return f"sqlite:///{tmp_path}/store.db"


def run(*arguments: str) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(store, arguments)


def test_init_makes_a_store_and_does_nothing_to_one(url: str) -> None:
    """Run twice, it succeeds twice."""
    for _ in range(2):
        result = run("init", "--store", url)
        assert result.exit_code == 0
        assert result.stdout == f"{url} is ready\n"
    said = json.loads(run("init", "--store", url, "--json").stdout)
    assert said == {"store": url, "ready": True, "done": [], "settings": {}}


def test_show_counts_what_was_recorded(url: str) -> None:
    """The totals are those of what was recorded, in text and in JSON."""
    recorder = Recorder.open(RecorderSettings(store=SecretStr(url), on_sigterm=False))
    series = Series("e", "p", "control", "control", "asr", "hi")
    recorder.expose(series)
    for _ in range(1234):
        recorder.record(series, 10.0, "timeout")
    assert recorder.close()
    shown = json.loads(run("show", "--store", url, "--json").stdout)
    assert shown["newest"].startswith("20")
    assert {name: shown[name] for name in ("series", "exposures", "requests", "errors")} == {
        "series": 2,
        "exposures": 1,
        "requests": 1234,
        "errors": 1234,
    }
    assert "requests    1,234\n" in run("show", "--store", url).stdout


def test_show_of_an_empty_store(url: str) -> None:
    """A store in which nothing was recorded yet is no error."""
    run("init", "--store", url)
    result = run("show", "--store", url)
    assert result.exit_code == 0
    assert "newest      none yet\n" in result.stdout


def test_show_makes_nothing(url: str, tmp_path: Path) -> None:
    """A store that isn't there is an error, and still isn't there afterwards."""
    result = run("show", "--store", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert "store init" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["init", "show"])
def test_a_file_that_is_no_database_is_an_error(url: str, tmp_path: Path, command: str) -> None:
    """The message is one line, and the file is left as it was."""
    (tmp_path / "store.db").write_text("no database at all")
    result = run(command, "--store", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "store.db" in result.stderr
    assert (tmp_path / "store.db").read_text() == "no database at all"
    assert len(list(tmp_path.iterdir())) == 1


def test_show_of_a_database_without_a_store(tmp_path: Path) -> None:
    """An empty file is a database, but no store."""
    (tmp_path / "store.db").touch()
    result = run("show", "--store", f"sqlite:///{tmp_path}/store.db")
    assert result.exit_code == 2
    assert "no table" in result.stderr


def test_the_environment_names_the_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--store` the settings are asked."""
    monkeypatch.setenv("OFT_STORE", url)
    assert run("init").stdout == f"{url} is ready\n"


@pytest.mark.parametrize("name", ["OFT_FLUSH_S", "OFT_INFLUX_DEADLINE_S"])
def test_settings_that_cannot_be_read_are_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The message names the variable, and not its value."""
    monkeypatch.setenv(name, "sentinel")
    result = run("show")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {name}: ")
    assert "sentinel" not in result.stderr
