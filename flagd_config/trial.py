"""Trial: evaluate a flag's targeting on a few requests, to see whether it raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.dates import take_dates
from openfeature_triton.flagd_config.findings import Draft

_KEYS = ("u1", "u2")
_ANY_MOMENT = 1_764_000_000


def try_targeting(key: str, flag: Mapping[str, Any], bucketing: str) -> Iterator[Draft]:
    """Find targeting that fails for a request, or names a variant that is not there."""
    rule = flag.get("targeting")
    if not isinstance(rule, dict) or not rule or flag["state"] != "ENABLED":
        return
    # Imported here: a file without targeting need not wait for it.
    from openfeature_triton.flagd_config.reference import evaluate  # noqa: PLC0415

    moment = take_dates(rule)[0].inside(_ANY_MOMENT)
    for context in _contexts(flag):
        try:
            result = evaluate(rule, context, key, bucketing, moment)
        except Exception as error:  # noqa: BLE001 json-logic raises whatever a rule provokes
            yield _draft(key, f"evaluating it fails with {type(error).__name__}", context)
            return
        name = str(result).lower() if isinstance(result, bool) else result
        if name is not None and str(name) not in flag["variants"]:
            yield _draft(key, f"it gives {name!r}, which is not a variant", context)
            return


def _contexts(flag: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Requests of the experiment's task, with and without a language, and one that says nothing."""
    task_type = (flag.get("metadata") or {}).get("task_type", "asr")
    for key in _KEYS:
        yield {"task_type": task_type, "language": "hi", "targetingKey": key}
    yield {}


def _draft(key: str, problem: str, context: Mapping[str, Any]) -> Draft:
    said = "a request that says nothing of itself" if not context else f"a request with {context}"
    return Draft(
        "evaluation",
        ("flags", key, "targeting"),
        f"for {said} {problem}",
        'correct the rule, or give its variables defaults: {"var": ["name", ""]}',
    )
