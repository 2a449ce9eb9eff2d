"""The phase of an experiment: a period in which its split and targeting did not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

BUCKETINGS = ("v2", "v3")

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical_definition(flag: Mapping[str, Any], undated: Any, bucketing: str) -> str:
    """Give what decides who gets which variant, as canonical JSON; `undated` is its targeting.

    Keys sorted, no white space, 50.0 written as 50; a missing, null or empty `defaultVariant` is
    null. Metadata and dates are left out: a new owner or a later end opens no phase.
    """
    definition = {
        "bucketing": bucketing,
        "defaultVariant": flag.get("defaultVariant") or None,
        "state": flag["state"],
        "targeting": undated or None,
        "variants": flag["variants"],
    }
    text = _ENCODER.encode(definition)
    if ".0" in text or "e+" in text:  # perhaps a float that is whole
        text = _ENCODER.encode(_canonical(definition))
    return text


def phase_id(definition: str) -> str:
    """Give the first 8 hex digits of the SHA-256 of a canonical definition."""
    return hashlib.sha256(definition.encode()).hexdigest()[:8]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
