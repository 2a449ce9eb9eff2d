"""OCR: text from a picture, as its service's developer writes it."""

from __future__ import annotations

from openfeature_triton.provider import Experiments
from tests.services.tensors import bytes_input, text_output


def read(experiments: Experiments, picture: bytes, language: str, request_id: str) -> str:
    """Give the text of a picture, line by line."""
    with experiments.infer(
        "ocr", language=language, targeting_key=request_id, service_id="ocr-paddle"
    ) as call:
        inputs = [bytes_input(call.triton, "picture", picture)]
        answer = call.client.infer(call.model_name, inputs, model_version=call.model_version)
        text = text_output(answer, "text")
        call.record(
            output_characters=len(text),
            output_words=len(text.split()),
            confidence=float(answer.as_numpy("confidence")[0]),
        )
    return text
