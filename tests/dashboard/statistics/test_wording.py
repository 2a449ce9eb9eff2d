"""Effects as sentences: no minus sign, and a direction for each end of an interval that holds 0."""

from __future__ import annotations

import pytest

from openfeature_triton.dashboard.statistics.wording import Spoken, effect_in_words


@pytest.mark.parametrize(
    ("metric", "effect", "sentence"),
    [
        (
            "success_rate",
            (0.018, 0.009, 0.027),
            "Treatment fails 1.8 points less often than control (95 % interval 0.9 to 2.7)",
        ),
        (
            "success_rate",
            (0.004, -0.004, 0.012),
            "Treatment fails 0.4 points less often than control "
            "(95 % interval 1.2 less to 0.4 more)",
        ),
        (
            "success_rate",
            (0.0049, 0.0004, 0.0095),
            "Treatment fails 0.49 points less often than control (95 % interval 0.04 to 0.95)",
        ),
        (
            "success_rate",
            (0.004, -0.0002, 0.0082),
            "Treatment fails 0.40 points less often than control "
            "(95 % interval 0.82 less to 0.02 more)",
        ),
        (
            "success_rate",
            (0.0001, -0.003, 0.0032),
            "Treatment fails as often as control (95 % interval 0.3 less to 0.3 more points)",
        ),
        (
            "latency",
            (0.0001, -0.02, 0.02),
            "Treatment is as fast as control (95 % interval 2.0 % faster to 2.0 % slower)",
        ),
        (
            "error_rate",
            (0.02, 0.01, 0.03),
            "Treatment fails 2.0 points more often than control (95 % interval 1.0 to 3.0)",
        ),
        (
            "latency",
            (-0.33, -0.4, -0.25),
            "Treatment is 33.0 % faster than control (95 % interval 25.0 to 40.0 %)",
        ),
        (
            "latency_p95",
            (-0.039, -0.141, 0.106),
            "Treatment is 3.9 % faster than control, by its latency p95 "
            "(95 % interval 14.1 % faster to 10.6 % slower)",
        ),
        (
            "word_accuracy",
            (-0.0675, -0.162, 0.0273),
            "Treatment's word accuracy is 0.068 lower than control's "
            "(95 % interval 0.162 lower to 0.027 higher)",
        ),
        (
            "output_characters",
            (12.0, 8.0, 16.0),
            "Treatment's output characters is 12.0 higher than control's "
            "(95 % interval 8.0 to 16.0)",
        ),
        ("word_accuracy", None, "Treatment can't be compared with control yet"),
    ],
)
def test_an_effect_reads_as_a_person_would_say_it(
    metric: str, effect: tuple[float, float, float] | None, sentence: str
) -> None:
    """Direction by word, size by number, the interval beside it."""
    assert effect_in_words("treatment", "control", metric, effect and Spoken(*effect)) == sentence


def test_a_control_of_another_name_is_called_by_it() -> None:
    """Who named the control "greedy" reads of greedy."""
    assert effect_in_words(
        "sampling", "greedy", "success_rate", Spoken(-0.007, -0.011, -0.003)
    ) == ("Sampling fails 0.7 points more often than greedy (95 % interval 0.3 to 1.1)")
