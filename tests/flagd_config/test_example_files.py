from __future__ import annotations

from collections import Counter

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config import example, example_task_types, read_document

# task type → language that matches, services, weights, phase. A changed phase means that
# everybody who started from the example would see a new phase: change it knowingly.
EXPECTED: dict[str, tuple[str, dict[str, str], dict[str, int], str]] = {
    "asr": (
        "en-GB",
        {"control": "asr-careful", "treatment": "asr-fast"},
        {"control": 50, "treatment": 50},
        "487dff1f",
    ),
    "ner": (
        "ta",
        {"control": "ner-tagger", "spans": "ner-spans", "spans-large": "ner-spans-large"},
        {"control": 50, "spans": 25, "spans-large": 25},
        "feb516c6",
    ),
    "nmt": (
        "hi",
        {"control": "nmt-indictrans2", "treatment": "nmt-indictrans3"},
        {"control": 50, "treatment": 50},
        "0188c89b",
    ),
    "ocr": (
        "pt",
        {"control": "ocr-paddle", "treatment": "ocr-layout"},
        {"control": 50, "treatment": 50},
        "f6df3228",
    ),
    "tts": (
        "de",
        {"control": "tts-fastpitch", "treatment": "tts-vits"},
        {"control": 90, "treatment": 10},
        "9f0a0043",
    ),
}
REQUESTS = 4_000


def _variants(task_type: str, context_task: str, language: str) -> Counter[str | None]:
    document = read_document(example(task_type))
    (experiment,) = document.of_task(task_type)
    core = FlagdCore()
    core.set_flags(document.as_flagd())
    attributes = {"task_type": context_task, "language": language}
    return Counter(
        core.resolve_object_value(
            experiment.key, {}, EvaluationContext(f"request-{number}", dict(attributes))
        ).variant
        for number in range(REQUESTS)
    )


def test_there_is_one_per_task_type() -> None:
    """The examples are those of the five task types."""
    assert example_task_types() == tuple(EXPECTED)


def test_unknown_task_type_names_the_known_ones() -> None:
    """Asking for an example that is not there names those that are."""
    with pytest.raises(ValueError, match="asr, ner, nmt, ocr, tts"):
        example("vision")


@pytest.mark.parametrize("task_type", EXPECTED)
def test_each_is_one_experiment(task_type: str) -> None:
    """Each example holds one experiment with the services, weights and phase expected."""
    _, services, weights, phase = EXPECTED[task_type]
    document = read_document(example(task_type))
    (experiment,) = document.experiments.values()
    assert experiment.task_type == task_type
    assert list(experiment.services.items()) == list(services.items())
    assert experiment.weights == weights
    assert experiment.control == "control"
    assert experiment.phase == phase
    assert {"primary_metric", "minimum_effect", "owner", "hypothesis"} <= set(experiment.metadata)


@pytest.mark.parametrize("task_type", EXPECTED)
def test_flagd_core_splits_as_the_weights_say(task_type: str) -> None:
    """Requests that match are split by the weights, to within five standard errors."""
    language, _, weights, _ = EXPECTED[task_type]
    counts = _variants(task_type, task_type, language)
    total = sum(weights.values())
    assert set(counts) == set(weights)
    for variant, weight in weights.items():
        share = weight / total
        error = (share * (1 - share) * REQUESTS) ** 0.5
        assert abs(counts[variant] - share * REQUESTS) < 5 * error


@pytest.mark.parametrize("task_type", EXPECTED)
def test_other_requests_stay_out(task_type: str) -> None:
    """A request of another task type gets no variant, so it goes to the caller's own service."""
    assert _variants(task_type, "other", EXPECTED[task_type][0]) == {None: REQUESTS}


@pytest.mark.parametrize("task_type", sorted(set(EXPECTED) - {"ner"}))
def test_other_languages_stay_out(task_type: str) -> None:
    """A request in a language that the experiment does not name gets no variant."""
    assert _variants(task_type, task_type, "xx") == {None: REQUESTS}
