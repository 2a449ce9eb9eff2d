"""Rules about an experiment's metadata: keys, types, guardrails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft

Steps = tuple[str | int, ...]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_positive(value: Any) -> bool:
    """Whether a value is a number above 0, and not beyond all measure."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e15


def is_share(value: Any) -> bool:
    """Whether a value is a number between 0 and 1."""
    return is_positive(value) and value < 1


_Check = tuple[Callable[[Any], bool], str]
_TEXT: _Check = (_is_text, "a text")
KEYS: Mapping[str, _Check] = {
    "experiment": (lambda value: isinstance(value, bool), "true or false"),
    "task_type": (lambda value: isinstance(value, str) and bool(value.strip()), "e.g. asr"),
    "control": _TEXT,
    "unit": (lambda value: value in ("request", "user"), '"request" or "user"'),
    "priority": (_is_whole, "a whole number; the lowest is asked first"),
    "primary_metric": _TEXT,
    "minimum_effect": (is_positive, "a number above 0, such as 0.01"),
    "planned_requests": (
        lambda value: is_positive(value) and value == int(value),
        "a whole number above 0, such as 40000",
    ),
    "planned_weights": (_is_text, 'a text such as "control:50, treatment:50"'),
    "baseline": (is_share, "the rate expected of control, between 0 and 1"),
    "guardrails": (_is_text, 'a text such as "error_rate:10%, latency_p95:20%"'),
    "lower_is_better": (_is_text, "names of metrics, separated by commas"),
    "owner": _TEXT,
    "hypothesis": _TEXT,
    "description": _TEXT,
    "link": _TEXT,
    "start": (_is_text, "a date such as 2026-11-24T09:00:00Z"),
    "end": (_is_text, "a date such as 2026-12-24T09:00:00Z"),
    "status": _TEXT,
    "shipped": _TEXT,
    "concluded": (_is_text, "a date such as 2026-12-24T09:00:00Z"),
    "version": (lambda value: isinstance(value, (str, int)), "a text or a number"),
    "flagSetId": _TEXT,
}
_OWN_RULES = ("control", "planned_weights")  # say more than the type


def check_primitives(metadata: Any, steps: Steps) -> Iterator[Draft]:
    """Find metadata that flagd's evaluators refuse; names the kind, not the value."""
    if not isinstance(metadata, dict):
        return
    for key, value in metadata.items():
        if not isinstance(value, (str, int, float, bool)):
            kind = "null" if value is None else "a list" if isinstance(value, list) else "an object"
            yield Draft(
                "metadata-primitive",
                (*steps, key),
                f"metadata holds text, numbers and booleans, this is {kind}",
                "write one value, or several in one text separated by commas",
            )


def check_keys(metadata: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find keys that nothing reads, and values that are not what the key wants."""
    for key, value in metadata.items():
        if is_own_key(key):
            continue
        if key not in KEYS:
            yield _unknown_key(key, metadata, (*steps, key))
        elif not KEYS[key][0](value) and key not in _OWN_RULES:
            yield Draft(
                "metadata-type",
                (*steps, key),
                f"{shown(value)} is no {key}",
                f"write {KEYS[key][1]}",
            )
    if "task_type" not in metadata:
        yield Draft(
            "metadata-type",
            steps,
            "the experiment has no `task_type`, so no request is offered to it",
            'add e.g. "task_type": "asr"',
        )


def _unknown_key(key: str, metadata: Mapping[str, Any], steps: Steps) -> Draft:
    close = [name for name in get_close_matches(key.lower(), KEYS) if name not in metadata]
    advice = f"did you mean `{close[0]}`? " if close else ""
    return Draft(
        "metadata-key",
        steps,
        f"nothing reads the key {key!r}",
        f"{advice}Known are: {', '.join(KEYS)}; begin your own with x-",
    )


def is_own_key(key: str) -> bool:
    """Whether a metadata key is marked as the operator's own."""
    return key.startswith(("x-", "x_"))


def check_guardrails(metadata: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find guardrails that cannot be read, so that nothing would be guarded."""
    text = metadata.get("guardrails")
    if not isinstance(text, str):
        return
    for part in filter(None, map(str.strip, text.split(","))):
        metric, colon, margin = (each.strip() for each in part.partition(":"))
        if not colon or not metric or not margin.endswith("%") or not _is_margin(margin):
            yield Draft(
                "guardrails",
                (*steps, "guardrails"),
                f"{part!r} is no guardrail, so nothing would be guarded",
                "write the metric and by how much it may be worse, e.g. error_rate:10%",
            )


def _is_margin(text: str) -> bool:
    try:
        return 0 < float(text.removesuffix("%")) < math.inf
    except ValueError:
        return False
