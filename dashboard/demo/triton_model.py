"""A recogniser as a model of Triton's Python backend; copied beside `recogniser.py` as `model.py`.

Tensors come and go by DLPack, and the text as UTF-8 bytes in a UINT8 tensor: the backend's own
conversions were built for numpy 1; under numpy ≥ 2 they give zeros for inputs, nothing for outputs.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from recogniser import Recogniser


class TritonPythonModel:
    """Hears the INT16 tensor `audio` and answers the UINT8 tensor `text`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the recogniser that the model's parameters describe."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._recogniser = Recogniser(
            parameters["grammar"]["string_value"],
            json.loads(parameters["search"]["string_value"]),
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        audio = np.from_dlpack(triton.get_input_tensor_by_name(request, "audio"))
        text = self._recogniser.transcribe(audio.tobytes())
        heard = np.array(bytearray(text.encode()), np.uint8)
        return triton.InferenceResponse([triton.Tensor.from_dlpack("text", heard)])
