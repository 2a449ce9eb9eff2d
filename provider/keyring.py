"""Keyring: locks and opens credentials with Fernet keys, several of them for rotation."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from openfeature_triton.provider.errors import MalformedKeyError, MissingKeyError, WrongKeyError


class Keyring:
    """Fernet keys: the first one locks, each of them may open."""

    def __init__(self, keys: tuple[SecretStr, ...] = ()) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in keys]) if keys else None

    @classmethod
    def from_text(cls, keys: SecretStr) -> Keyring:
        """Read keys separated by commas, as `OFT_KEYS` has them. Raises MalformedKeyError."""
        parts = (part.strip() for part in keys.get_secret_value().split(","))
        return cls(tuple(SecretStr(part) for part in parts if part))

    @property
    def is_empty(self) -> bool:
        """Whether there is no key at all."""
        return self._fernet is None

    @staticmethod
    def generate_key() -> SecretStr:
        """A new key."""
        return SecretStr(Fernet.generate_key().decode())

    def lock(self, service_id: str, credential: SecretStr) -> str:
        """Encrypt a service's credential. Raises MissingKeyError where there is no key."""
        if self._fernet is None:
            raise _no_key(service_id)
        return self._fernet.encrypt(credential.get_secret_value().encode()).decode()

    def open(self, service_id: str, ciphertext: str) -> SecretStr:
        """Decrypt a service's credential. Raises MissingKeyError, WrongKeyError."""
        if self._fernet is None:
            raise _no_key(service_id)
        try:
            return SecretStr(self._fernet.decrypt(ciphertext).decode())
        except InvalidToken:
            raise _wrong_key(service_id) from None

    def rotate(self, service_id: str, ciphertext: str) -> str:
        """Encrypt a service's credential anew, with the first key; raises as `open` does."""
        if self._fernet is None:
            raise _no_key(service_id)
        try:
            return self._fernet.rotate(ciphertext).decode()
        except InvalidToken:
            raise _wrong_key(service_id) from None


def _fernet(key: SecretStr) -> Fernet:
    try:
        return Fernet(key.get_secret_value())
    except ValueError:
        raise MalformedKeyError(
            "a key in OFT_KEYS is not a Fernet key (32 bytes, URL-safe base64) — "
            "make one: openfeature-triton service keygen"
        ) from None


def _wrong_key(service_id: str) -> WrongKeyError:
    return WrongKeyError(
        f"no key in OFT_KEYS opens the credential of service {service_id!r} — "
        "set the key that it was added with, or set its credential again"
    )


def _no_key(service_id: str) -> MissingKeyError:
    return MissingKeyError(
        f"service {service_id!r} has a credential and there is no key for it — "
        "set OFT_KEYS (a new key: openfeature-triton service keygen)"
    )
