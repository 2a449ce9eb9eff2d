"""Settings of recording."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from openfeature_triton.hooks import InfluxSettings, RecorderSettings


def test_the_environment_sets_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field has its name in the environment."""
    monkeypatch.setenv("OFT_WINDOW_S", "5")
    monkeypatch.setenv("OFT_METRICS", '{"asr": {"pauses": "seconds"}}')
    settings = RecorderSettings(flush_s=1)
    assert (settings.window_s, settings.flush_s) == (5, 1)
    assert settings.metrics == {"asr": {"pauses": "seconds"}}


def test_a_stores_password_is_masked() -> None:
    """The store's URL may hold a password, so it isn't shown."""
    settings = RecorderSettings(store=SecretStr("postgresql://me:sentinel@host/db"))
    assert "sentinel" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    "wrong", [{"window_s": 0}, {"flush_s": -1}, {"metrics": {"asr": {"not a name": ""}}}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    """A window of no width or a metric without a field's name is an error at the start."""
    with pytest.raises(ValidationError):
        RecorderSettings.model_validate(wrong)


def test_every_setting_says_what_it_is() -> None:
    """Each field has a description."""
    assert all(field.description for field in RecorderSettings.model_fields.values())


def test_influxdb_is_not_used_without_a_url() -> None:
    """The embedded default needs no setting."""
    assert InfluxSettings().url == ""


def test_a_token_is_masked_and_its_file_read_anew(tmp_path: Path) -> None:
    """A token's file goes before the token, and may change, go and come back."""
    path = tmp_path / "token"
    settings = InfluxSettings(token=SecretStr("given-secret"), token_file=path)
    assert "given-secret" not in repr(settings)
    assert settings.read_token() == ""
    path.write_text("first\n")
    assert settings.read_token() == "first"
    path.write_text("second")
    assert settings.read_token() == "second"
    assert InfluxSettings(token=SecretStr("given-secret")).read_token() == "given-secret"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_can_not_be_read_are_refused_at_the_start(
    tmp_path: Path, content: str | None
) -> None:
    """The file is named, and what it should be."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValidationError, match=f"{path}: .*; name a PEM file of certificates"):
        InfluxSettings(ca=path)
