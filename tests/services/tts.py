"""TTS: text to speech, as its service's developer writes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openfeature_triton.provider import Call, Experiments
from tests.services.tensors import text_input


@dataclass(frozen=True)
class Speech:
    """16-bit samples, and how many of them are a second."""

    samples: NDArray[np.int16]
    sample_rate_hz: int

    @property
    def length_s(self) -> float:
        """How long it sounds."""
        return self.samples.size / self.sample_rate_hz


def speak(experiments: Experiments, text: str, language: str, request_id: str) -> Speech:
    """Speak a text; where the assigned voice is down, with the service's own."""
    return experiments.call(
        lambda call: _speak(call, text, language),
        "tts",
        language=language,
        targeting_key=request_id,
        service_id="tts-fastpitch",
    )


def _speak(call: Call, text: str, language: str) -> Speech:
    inputs = [
        text_input(call.triton, "text", text),
        text_input(call.triton, "language", language),
    ]
    answer = call.client.infer(call.model_name, inputs, model_version=call.model_version)
    speech = Speech(answer.as_numpy("audio"), int(answer.as_numpy("sample_rate_hz")[0]))
    call.record(input_characters=len(text), audio_length_seconds=speech.length_s)
    return speech
