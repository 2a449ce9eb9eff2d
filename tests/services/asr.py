"""ASR: speech to text, as its service's developer writes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openfeature_triton.provider import Experiments
from tests.services.tensors import audio_input, text_output


def transcribe(
    experiments: Experiments, samples: NDArray[np.int16], language: str, request_id: str
) -> str:
    """Give the words of a recording at 16 kHz."""
    with experiments.infer(
        "asr", language=language, targeting_key=request_id, service_id="asr-careful"
    ) as call:
        inputs = [audio_input(call.triton, "audio", samples)]
        answer = call.client.infer(call.model_name, inputs, model_version=call.model_version)
        text = text_output(answer, "text")
        call.record(output_characters=len(text), output_words=len(text.split()))
    return text
