"""Keyring: several keys, the first locks, each may open, none shows."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from openfeature_triton.provider import (
    Keyring,
    MalformedKeyError,
    MissingKeyError,
    ProviderSettings,
    WrongKeyError,
)

CREDENTIAL = SecretStr("s3ntinel-credential")


def _keyring(*keys: SecretStr) -> Keyring:
    return Keyring.from_text(SecretStr(",".join(key.get_secret_value() for key in keys)))


def test_what_is_locked_opens_again() -> None:
    """A credential survives the round trip, and its ciphertext does not show it."""
    keyring = _keyring(Keyring.generate_key())
    locked = keyring.lock("asr", CREDENTIAL)
    assert CREDENTIAL.get_secret_value() not in locked
    assert keyring.open("asr", locked) == CREDENTIAL


def test_an_older_key_still_opens() -> None:
    """Keys are rotated by putting a new one in front."""
    old, new = Keyring.generate_key(), Keyring.generate_key()
    locked = _keyring(old).lock("asr", CREDENTIAL)
    assert _keyring(new, old).open("asr", locked) == CREDENTIAL
    fresh = _keyring(new, old).lock("asr", CREDENTIAL)
    assert _keyring(new).open("asr", fresh) == CREDENTIAL


def test_a_wrong_key_is_said_by_the_services_name() -> None:
    """The error names the service, neither key nor ciphertext."""
    locked = _keyring(Keyring.generate_key()).lock("asr-fast", CREDENTIAL)
    with pytest.raises(WrongKeyError, match="asr-fast") as caught:
        _keyring(Keyring.generate_key()).open("asr-fast", locked)
    assert locked not in str(caught.value)


def test_a_missing_key_is_said() -> None:
    """Without keys nothing is locked or opened, and the message says how to get one."""
    with pytest.raises(MissingKeyError, match="keygen"):
        _keyring().lock("asr", CREDENTIAL)
    with pytest.raises(MissingKeyError, match="OFT_KEYS"):
        _keyring().open("asr", "gAAAA")


@pytest.mark.parametrize("bad", ["short", "ö" * 44, "AAAA,BBBB"])
def test_what_is_no_key_is_refused_without_showing_it(bad: str) -> None:
    """A typing error in OFT_KEYS is clear, and not printed."""
    with pytest.raises(MalformedKeyError, match="OFT_KEYS") as caught:
        Keyring.from_text(SecretStr(bad))
    assert bad not in str(caught.value)


def test_settings_mask_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keys nor the registry's password are in a settings' repr."""
    monkeypatch.setenv("OFT_KEYS", "s3ntinel-key")
    monkeypatch.setenv("OFT_REGISTRY", "postgresql://user:s3ntinel-password@host/db")
    settings = ProviderSettings()
    assert settings.keys.get_secret_value() == "s3ntinel-key"
    assert "s3ntinel" not in repr(settings) + str(settings) + settings.model_dump_json()
