"""Experiments as `experiment list` and `show` print them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from openfeature_triton.flagd_config.dates import iso
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.life_cycle import status

HEADING = ("experiment", "status", "task", "languages", "weights", "dates")


def described(found: Experiment) -> dict[str, Any]:
    """Give what there is to say of an experiment beside its metadata, as JSON can hold it."""
    dates = found.dates
    return {
        "experiment": found.key,
        "status": status(found),
        "task_type": found.task_type,
        "languages": list(found.languages),
        "control": found.control,
        "services": dict(found.services),
        "weights": dict(found.weights),
        "start": None if dates.start is None else iso(dates.start),
        "end": None if dates.end is None else iso(dates.end),
        "phase": found.phase,
    }


def row(each: Mapping[str, Any]) -> tuple[str, ...]:
    """Give what was described as a row under `HEADING`."""
    weights = ", ".join(f"{name} {weight}" for name, weight in each["weights"].items())
    dates = [f"{name} {each[name]}" for name in ("start", "end") if each[name]]
    languages = ", ".join(each["languages"]) or "all"
    return (
        each["experiment"],
        each["status"],
        each["task_type"],
        languages,
        weights,
        ", ".join(dates),
    )


def shown(value: Any) -> str:
    """Give a described value, or one of the metadata, for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "all"
    return value if isinstance(value, str) else json.dumps(value)
