"""The settings that lead to a source of flags, flagd's own names among them."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest
from openfeature.contrib.provider.flagd import FlagdProvider, config
from pydantic import AliasChoices, ValidationError

from openfeature_triton.provider import FileFlags, ProviderSettings, SyncFlags, SyncSettings
from openfeature_triton.provider.open_source import open_source
from openfeature_triton.provider.sync_settings import STATUS_CODES


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without any of ours or flagd's."""
    for name in [name for name in os.environ if name.startswith(("OFT_", "FLAGD_"))]:
        monkeypatch.delenv(name)


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


def test_in_process_with_an_offline_file_is_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As flagd's own provider has it, its interval included."""
    monkeypatch.setenv("FLAGD_RESOLVER", "IN-PROCESS")
    monkeypatch.setenv("FLAGD_OFFLINE_FLAG_SOURCE_PATH", "offline.json")
    monkeypatch.setenv("FLAGD_OFFLINE_POLL_MS", "1000")
    settings = ProviderSettings()
    source = open_source(settings)
    assert isinstance(source, FileFlags)
    assert (source.path, settings.poll_ms) == (Path("offline.json"), 1000)


def stock_settings() -> set[str]:
    """The environment variables that flagd's own provider reads."""
    named = {name: value for name, value in vars(config).items() if name.startswith("ENV_VAR_")}
    return set(named.values())


def test_each_setting_of_flagds_own_provider_is_known() -> None:
    """What its next version adds has to be thought of here."""
    ours = {
        str(name)
        for settings in (SyncSettings, ProviderSettings)
        for key, field in settings.model_fields.items()
        for name in (
            field.validation_alias.choices
            if isinstance(field.validation_alias, AliasChoices)
            else [f"FLAGD_{key.upper()}"]
        )
    }
    of_rpc_alone = {"FLAGD_CACHE", "FLAGD_MAX_CACHE_SIZE"}  # read by flagd's provider itself
    assert stock_settings() - ours == of_rpc_alone


def test_fatal_status_codes_are_names_of_grpcs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that never comes would be a setting that does nothing."""
    assert {code.name for code in grpc.StatusCode} - {"OK"} == STATUS_CODES
    monkeypatch.setenv("FLAGD_FATAL_STATUS_CODES", "unauthenticated, PERMISSION_DENIED")
    assert SyncSettings().fatal_codes == {"UNAUTHENTICATED", "PERMISSION_DENIED"}
    monkeypatch.setenv("FLAGD_FATAL_STATUS_CODES", "FORBIDDEN")
    with pytest.raises(ValidationError, match="FORBIDDEN"):
        SyncSettings()


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
