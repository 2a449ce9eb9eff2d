"""The settings that lead to a source of flags, flagd's own names among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from openfeature.contrib.provider.flagd import FlagdProvider
from pydantic import ValidationError

from openfeature_triton.provider import FileFlags, ProviderSettings, SyncFlags, SyncSettings
from openfeature_triton.provider.open_source import open_source


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without any of ours or flagd's."""
    for name in ("OFT_SOURCE", "OFT_FLAGS", "OFT_LAST_GOOD", "FLAGD_RESOLVER", "FLAGD_SYNC_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_a_file_is_the_default() -> None:
    """Nothing need be set."""
    source = open_source(ProviderSettings())
    assert isinstance(source, FileFlags)
    assert source.path == Path("flags.json")


@pytest.mark.parametrize(
    ("name", "value"), [("OFT_SOURCE", "sync"), ("FLAGD_RESOLVER", "in-process")]
)
def test_sync_by_our_name_and_by_flagds(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """An environment made for flagd's own provider works here, too."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLAGD_HOST", "flagd.example")
    monkeypatch.setenv("FLAGD_SYNC_PORT", "9090")
    source = open_source(ProviderSettings())
    assert isinstance(source, SyncFlags)
    assert source.settings.target == "flagd.example:9090"


def test_flagds_own_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """For evaluation alone, flagd's provider does it."""
    monkeypatch.setenv("OFT_SOURCE", "rpc")
    source = open_source(ProviderSettings())
    assert isinstance(source, FlagdProvider)
    source.shutdown()


def test_an_unknown_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo is no file."""
    monkeypatch.setenv("OFT_SOURCE", "snyc")
    with pytest.raises(ValidationError, match="OFT_SOURCE"):
        ProviderSettings()


def test_back_off_is_never_longer_than_a_second() -> None:
    """Whatever flagd's own setting says."""
    settings = SyncSettings(retry_backoff_ms=100, retry_backoff_max_ms=60_000)
    assert settings.backoff_s(0) == 0.1
    assert max(settings.backoff_s(attempt) for attempt in range(2_000)) == 1.0


def test_addresses_as_grpc_wants_them(tmp_path: Path) -> None:
    """A socket goes before host and port; an IPv6 host is bracketed."""
    assert SyncSettings(host="::1", port=1).target == "[::1]:1"
    path = tmp_path / "flagd.sock"
    assert SyncSettings(socket_path=str(path)).target == f"unix://{path}"
