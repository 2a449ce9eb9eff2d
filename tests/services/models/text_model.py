"""A text-to-text model of Triton's Python backend; beside it, `rules.py` holds what it does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from rules import answer


class TritonPythonModel:
    """Gives UTF-8 `answer` for UTF-8 `text` in a `language`, as the parameter `skill` says."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the skill."""
        self._skill = json.loads(args["model_config"])["parameters"]["skill"]["string_value"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        text, language = (
            np.from_dlpack(triton.get_input_tensor_by_name(request, name)).tobytes().decode()
            for name in ("text", "language")
        )
        try:
            answered = answer(self._skill, text, language)
        except ValueError as error:
            return triton.InferenceResponse(error=triton.TritonError(str(error)))
        said = np.array(bytearray(answered.encode()), np.uint8)
        return triton.InferenceResponse([triton.Tensor.from_dlpack("answer", said)])
