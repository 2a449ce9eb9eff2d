"""NER: the names in a text, over gRPC, as its service's developer writes it."""

from __future__ import annotations

import json

from openfeature_triton.provider import Experiments
from tests.services.tensors import text_input, text_output


def entities(
    experiments: Experiments, text: str, language: str, user_id: str
) -> list[dict[str, str]]:
    """Give the entities of a text, each with its `text` and `type`; a user keeps their variant."""
    with experiments.infer(
        "ner", language=language, targeting_key=user_id, service_id="ner-tagger"
    ) as call:
        inputs = [
            text_input(call.triton, "text", text),
            text_input(call.triton, "language", language),
        ]
        answer = call.client.infer(call.model_name, inputs, model_version=call.model_version)
        found: list[dict[str, str]] = json.loads(text_output(answer, "answer"))
        call.record(
            input_characters=len(text),
            entities=len(found),
            entity_types=len({each["type"] for each in found}),
        )
    return found
