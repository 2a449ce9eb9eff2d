"""Text to speech by espeak-ng, as a model of Triton's Python backend."""

from __future__ import annotations

import ctypes
import json
from typing import Any

import espeakng_loader
import numpy as np
import triton_python_backend_utils as triton

_SYNCHRONOUS, _RATE, _UTF8 = 2, 1, 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class TritonPythonModel:
    """Speaks the UTF-8 `text` in a `language`: INT16 `audio` at `sample_rate_hz`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load espeak-ng, which has one voice at a time in a process."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._speaker = parameters["speaker"]["string_value"]
        self._sound = bytearray()
        self._take = _CALLBACK(self._collect)
        self._espeak = espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        espeak.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        data = str(espeakng_loader.get_data_path()).encode()
        self._rate_hz = espeak.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        espeak.espeak_SetSynthCallback(self._take)
        self._rate_wpm = int(parameters["rate_wpm"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        text, language = (
            np.from_dlpack(triton.get_input_tensor_by_name(request, name)).tobytes()
            for name in ("text", "language")
        )
        if self._espeak.espeak_SetVoiceByName(language.lower() + self._speaker.encode()):
            return triton.InferenceResponse(error=triton.TritonError("no voice for this language"))
        self._espeak.espeak_SetParameter(_RATE, self._rate_wpm, 0)
        self._sound.clear()
        self._espeak.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
        self._espeak.espeak_Synchronize()
        audio = np.frombuffer(bytes(self._sound), np.int16).copy()
        return triton.InferenceResponse(
            [
                triton.Tensor.from_dlpack("audio", audio),
                triton.Tensor.from_dlpack("sample_rate_hz", np.array([self._rate_hz], np.int32)),
            ]
        )

    def _collect(self, wave: Any, count: int, _events: object) -> int:
        if wave and count > 0:
            self._sound += ctypes.string_at(wave, count * 2)
        return 0
