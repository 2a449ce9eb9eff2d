"""Custom metrics."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from openfeature_triton.hooks import metrics, schema


@pytest.mark.parametrize(
    ("task_type", "names"),
    [
        ("asr", {"output_characters", "output_words", "word_accuracy"}),
        ("nmt", {"input_characters", "output_characters", "bleu_score"}),
        ("tts", {"input_characters", "audio_length_seconds"}),
        ("ocr", {"output_characters", "output_words", "confidence"}),
        ("ner", {"input_characters", "entities", "entity_types"}),
    ],
)
def test_each_task_type_has_its_metrics(task_type: str, names: set[str]) -> None:
    """The metrics that users of a task count are declared, and each can name a field."""
    assert metrics.DEFAULT_UNITS[task_type].keys() == names
    fields = {field for name in names for field in schema.metric_fields(name)}
    assert len(fields) == 3 * len(names)


def test_more_metrics_can_be_declared() -> None:
    """Settings add metrics to a known task type, and task types of one's own."""
    units = metrics.merged_units({"asr": {"pauses": "seconds"}, "chess": {"elo": "points"}})
    assert units["asr"]["pauses"] == "seconds"
    assert units["asr"]["output_words"] == "words"
    assert units["chess"] == {"elo": "points"}


@pytest.mark.parametrize("name", ["", "Élan", "with space", "1st", "x" * 49])
def test_a_name_that_no_field_can_carry_is_refused(name: str) -> None:
    """A metric's name becomes part of a field's, so it is checked when it is declared."""
    with pytest.raises(ValueError, match="can't name"):
        metrics.merged_units({"asr": {name: ""}})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("3", metrics.NOT_A_NUMBER),
        (None, metrics.NOT_A_NUMBER),
        (True, metrics.NOT_A_NUMBER),
        ([1], metrics.NOT_A_NUMBER),
        (math.nan, metrics.NOT_FINITE),
        (math.inf, metrics.NOT_FINITE),
        (10**400, metrics.NOT_FINITE),
        (1e200, metrics.NOT_FINITE),
    ],
)
def test_a_value_that_cannot_be_added_up_is_refused(value: object, reason: str) -> None:
    """What would spoil a sum is counted by its reason."""
    assert metrics.number(value) == reason


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3)])
def test_numbers_of_any_kind_count(value: object) -> None:
    """Python's and numpy's numbers are taken alike."""
    assert metrics.number(value) == 3.0


def test_metrics_are_gathered_over_outcomes() -> None:
    """Declared metrics are kept, the others counted by reason."""
    refused: Counter[str] = Counter()
    carried: list[dict[str, object] | None] = [
        {"output_words": 3, "bogus": 1},
        None,
        {"output_words": 4.5},
        {"output_words": math.nan},
    ]
    gathered = metrics.gather(carried, metrics.DEFAULT_UNITS["asr"], refused)
    assert gathered == {"output_words": ([0, 2], [3.0, 4.5])}
    assert refused == {metrics.UNKNOWN: 1, metrics.NOT_FINITE: 1}
