"""Metrics: which custom metrics an outcome of each task type may carry, and their units."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

Units = Mapping[str, Mapping[str, str]]
"""Task type → name of the metric → its unit (empty for a pure number)."""

DEFAULT_UNITS: Units = MappingProxyType(
    {
        "asr": MappingProxyType(
            {"output_characters": "characters", "output_words": "words", "word_accuracy": ""}
        ),
        "nmt": MappingProxyType(
            {
                "input_characters": "characters",
                "output_characters": "characters",
                "bleu_score": "points",
            }
        ),
        "tts": MappingProxyType(
            {"input_characters": "characters", "audio_length_seconds": "seconds"}
        ),
        "ocr": MappingProxyType(
            {"output_characters": "characters", "output_words": "words", "confidence": ""}
        ),
        "ner": MappingProxyType(
            {"input_characters": "characters", "entities": "entities", "entity_types": "types"}
        ),
    }
)

MAX_METRICS = 32
"""How many custom metrics one outcome may carry."""

MAX_MAGNITUDE = 1e100
"""Beyond it the square of a value, summed, would no longer be finite."""

UNKNOWN = "unknown_metric"
NOT_A_NUMBER = "not_a_number"
NOT_FINITE = "not_finite"
TOO_MANY = "too_many_metrics"
"""Why a metric was refused."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def merged_units(more: Mapping[str, Mapping[str, str]]) -> Units:
    """Give the defaults with those of `more` added, task type by task type.

    ValueError for a task type or a metric whose name can't be part of a field's name.
    """
    for name in (*more, *(metric for metrics in more.values() for metric in metrics)):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} can't name a task type or a metric: use at most 48 of a–z, 0–9 and _, "
                "a letter first"
            )
    return {
        task_type: {**DEFAULT_UNITS.get(task_type, {}), **more.get(task_type, {})}
        for task_type in dict.fromkeys((*DEFAULT_UNITS, *more))
    }


def number(value: object) -> float | str:
    """Give a metric's value as a float, or the reason why it is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return NOT_A_NUMBER
    try:
        result = float(value)
    except OverflowError:  # an integer beyond every float
        return NOT_FINITE
    return result if math.fabs(result) <= MAX_MAGNITUDE else NOT_FINITE


class Gathered(NamedTuple):
    """The values of one metric over many outcomes, and the place of the outcome of each."""

    places: list[int]
    values: list[float]


def gather(
    carried: Iterable[Mapping[str, object] | None],
    declared: Mapping[str, str],
    refused: Counter[str],
) -> dict[str, Gathered]:
    """Give the values of each declared metric over many outcomes; count the refused by reason."""
    gathered: dict[str, Gathered] = {}
    for place, metrics in enumerate(carried):
        for name, value in metrics.items() if metrics else ():
            if name not in declared:
                refused[UNKNOWN] += 1
                continue
            if type(value) is float and -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
                checked: float | str = value  # as they mostly are
            else:
                checked = number(value)
            if isinstance(checked, str):
                refused[checked] += 1
                continue
            found = gathered.get(name) or gathered.setdefault(name, Gathered([], []))
            found.places.append(place)
            found.values.append(checked)
    return gathered
