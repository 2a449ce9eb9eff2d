"""Passwords, as scrypt hashes (RFC 7914), and tokens, as SHA-256 hashes: neither can be read back.

A token is 256 bits of chance, so a fast hash keeps it; a password needs a slow one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

MIN_LENGTH = 10
MAX_LENGTH = 1024

_N, _R, _P = 2**15, 8, 1  # 32 MiB and some 60 ms: OWASP's advice, 2026
_SALT_BYTES = 16
_MAX_BYTES = 256 * 2**20


def hash_password(password: str) -> str:
    """Give `scrypt$n$r$p$salt$hash`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    found = _scrypt(password, salt, _N, _R, _P)
    return "$".join(("scrypt", str(_N), str(_R), str(_P), _text(salt), _text(found)))


def is_password(password: str, hashed: str) -> bool:
    """Say whether a password is the one that was hashed; False for what is no such hash."""
    try:
        name, n, r, p, salt, wanted = hashed.split("$")
        found = _scrypt(password, _bytes(salt), int(n), int(r), int(p))
        return name == "scrypt" and hmac.compare_digest(found, _bytes(wanted))
    except (ValueError, MemoryError):
        return False


def new_token() -> str:
    """Give a token that nobody can guess."""
    return f"oft_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """Give what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=_MAX_BYTES, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)
