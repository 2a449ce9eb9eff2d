"""Text from pictures by RapidOCR, whose wheel brings its models; in Triton's Python backend."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from rapidocr_onnxruntime import RapidOCR


class TritonPythonModel:
    """Reads the PNG `picture`: UTF-8 `text`, a line for each one found, and its `confidence`.

    With the parameter `layout` it finds the lines first; without, it takes the picture for one.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Load the models."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._layout = parameters["layout"]["string_value"] == "yes"
        self._reader = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        picture = np.from_dlpack(triton.get_input_tensor_by_name(request, "picture")).tobytes()
        try:
            found, _ = self._reader(picture, use_det=self._layout, use_cls=False)
        except Exception as error:  # noqa: BLE001 - what is no picture is the caller's mistake
            return triton.InferenceResponse(error=triton.TritonError(f"not a picture: {error}"))
        lines = [line[-2:] for line in found or []]
        text = "\n".join(str(words) for words, _ in lines).encode()
        sure = np.array([np.mean([float(each) for _, each in lines] or [0.0])], np.float32)
        return triton.InferenceResponse(
            [
                triton.Tensor.from_dlpack("text", np.array(bytearray(text), np.uint8)),
                triton.Tensor.from_dlpack("confidence", sure),
            ]
        )
