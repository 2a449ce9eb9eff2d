"""Deterministic models for tests, one per behaviour; runs inside Triton's Python backend."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Does with the tensor `audio` what its parameter `behaviour` says."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the behaviour."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._behaviour = parameters["behaviour"]["string_value"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        audio = np.from_dlpack(triton.get_input_tensor_by_name(request, "audio"))
        if self._behaviour == "fail":
            return triton.InferenceResponse(error=triton.TritonError("this model fails"))
        if self._behaviour == "sleep":
            time.sleep(int(audio[0]) / 1000)
        text = np.array(bytearray(audio.tobytes()), np.uint8)
        return triton.InferenceResponse([triton.Tensor.from_dlpack("text", text)])
