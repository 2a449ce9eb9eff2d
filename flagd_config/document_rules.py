"""Rules about the file as a whole and every flag in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.findings import Draft

Steps = tuple[str | int, ...]

MAX_TAG_LENGTH = 64  # of the recorder: a longer one is recorded as `other`

_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bsk-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{20,}|\bnvapi-[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+|\b(?:Bearer|Basic) [A-Za-z0-9+/._~=-]{8,}"
    r"|\w+://[^\s/:@]+:[^\s/@]+@|\b[A-Za-z0-9_-]{43}=(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"(?:^|[_\-.])(?:password|passwd|secret|token|api[_-]?key|apikey|credential|authorization"
    r"|private[_-]?key)s?$",
    re.IGNORECASE,
)
_TYPES = {bool: "boolean", int: "number", float: "number", str: "text", dict: "object"}


def check_secrets(value: Any, steps: Steps = ()) -> Iterator[tuple[Draft, str]]:
    """Find what looks like a secret; gives the secret too, for it to be kept from messages."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _named(key, item, (*steps, key))
            yield from check_secrets(key, (*steps, key))
            yield from check_secrets(item, (*steps, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from check_secrets(item, (*steps, index))
    elif isinstance(value, str):
        for match in _SECRETS.finditer(value):
            yield _secret(steps), match[0]


def _named(key: str, item: Any, steps: Steps) -> Iterator[tuple[Draft, str]]:
    if isinstance(item, str) and item and _SECRET_NAME.search(key) and not _SECRETS.search(item):
        yield _secret(steps), item


def _secret(steps: Steps) -> Draft:
    shown = tuple(_SECRETS.sub("…", step) if isinstance(step, str) else step for step in steps)
    return Draft(
        "secret",
        shown,
        "this looks like a secret, and everybody who reads flags reads it",
        "take it out, replace it where it is valid, and keep credentials in the registry",
    )


def check_tags(key: str, flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find an experiment's key and variants that a store would write down as something else."""
    for name, where in [(key, steps), *((v, (*steps, "variants", v)) for v in flag["variants"])]:
        why = _unfit(name)
        if why:
            yield Draft(
                "tag",
                where,
                f"as a tag of InfluxDB the name {name[:20]!r} would not survive: {why}",
                "use up to 64 letters, digits, hyphens and underscores",
            )


def _unfit(name: str) -> str:
    if not name:
        return "it is empty"
    if len(name) > MAX_TAG_LENGTH:
        return f"it has {len(name)} characters, more than {MAX_TAG_LENGTH}"
    if not name.isprintable():
        return "it holds characters that are not printable"
    if name != name.strip():
        return "it begins or ends with a space"
    return "it ends with a backslash" if name.endswith("\\") else ""


def check_types(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find variants of different types."""
    kinds: dict[str, str] = {}
    for name, value in flag["variants"].items():
        kinds.setdefault(_TYPES.get(type(value), "list or null"), name)
    if len(kinds) > 1 or "list or null" in kinds:
        described = ", ".join(f"{name!r} is a {kind}" for kind, name in kinds.items())
        yield Draft(
            "variant-types",
            (*steps, "variants"),
            f"flagd's schema wants variants that are all booleans, numbers, texts or objects: "
            f"{described}",
            "give all variants values of one type",
        )
