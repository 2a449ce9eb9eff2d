"""CreditToken: a short signed text that names what a later outcome is credited to.

    base64url(JSON list of the fields) "." base64url(first 16 bytes of HMAC-SHA256)

It holds the ids of the experiment, phase, variants and service, task type, language and the time of
signing: nothing of the user, and no secret. The signature is RFC 2104's, cut to 128 bits (section
5 there allows half of the hash's length).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import NamedTuple

from pydantic import SecretStr

_SIGNATURE_BYTES = 16
_PURPOSE = b"openfeature-triton credit token 1"
MAX_TOKEN_LENGTH = 2048


class Credited(NamedTuple):
    """Whose outcome it is, all of it text."""

    experiment: str
    phase: str
    variant: str
    served: str
    service_id: str
    task_type: str
    language: str


class BadTokenError(ValueError):
    """A token that credits nothing; `reason` is `forged_token` or `expired_token`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenSigner:
    """Signs tokens and reads those that it, or another process with the same keys, signed.

    Args:
        keys: comma separated; the first signs, all verify. Empty: nothing is signed or read.
        ttl_s: how old a token may be, in seconds.
        clock_s: the wall clock, in seconds since 1970.
    """

    def __init__(
        self, keys: SecretStr, ttl_s: float, clock_s: Callable[[], float] = time.time
    ) -> None:
        texts = [key.strip() for key in keys.get_secret_value().split(",")]
        self._keys = [_derived(key) for key in texts if key]
        self._ttl_s = ttl_s
        self._clock_s = clock_s

    @property
    def can_sign(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def sign(self, credited: Credited) -> str:
        """Give the token; empty without a key."""
        if not self._keys:
            return ""
        fields = json.dumps([*credited, int(self._clock_s())], separators=(",", ":"))
        body = _text(fields.encode())
        return f"{body}.{_text(_signature(self._keys[0], body))}"

    def read(self, token: str) -> Credited:
        """Give what a token names. Raises BadTokenError for one that is not ours, or too old."""
        body = self._verified_body(token)
        try:
            *fields, signed_s = json.loads(_bytes(body))
            credited = Credited(*fields)
        except (ValueError, TypeError):  # signed by us, but of another release
            raise BadTokenError("forged_token") from None
        if self._clock_s() - signed_s > self._ttl_s:
            raise BadTokenError("expired_token")
        return credited

    def _verified_body(self, token: str) -> str:
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise BadTokenError("forged_token")
        body, _, signature = token.partition(".")
        try:
            given = _bytes(signature)
        except (ValueError, binascii.Error):
            raise BadTokenError("forged_token") from None
        if not any(hmac.compare_digest(given, _signature(key, body)) for key in self._keys):
            raise BadTokenError("forged_token")
        return body


def _derived(key: str) -> bytes:
    """A key for this purpose alone, so that a registry's key signs nothing itself."""
    return hmac.digest(key.encode(), _PURPOSE, hashlib.sha256)


def _signature(key: bytes, body: str) -> bytes:
    return hmac.digest(key, body.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
