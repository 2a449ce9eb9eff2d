"""What travels to and from the models: text as the UTF-8 bytes of a UINT8 tensor, samples, files.

`triton` is a call's module of tensors: `tritonclient.http` or `tritonclient.grpc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def text_input(triton: Any, name: str, text: str) -> Any:
    """Give a text as an input of a model."""
    return bytes_input(triton, name, text.encode())


def bytes_input(triton: Any, name: str, data: bytes) -> Any:
    """Give a file's content as an input of a model."""
    return _input(triton, name, np.frombuffer(data, np.uint8), "UINT8")


def audio_input(triton: Any, name: str, samples: NDArray[np.int16]) -> Any:
    """Give 16-bit samples as an input of a model."""
    return _input(triton, name, samples, "INT16")


def text_output(answer: Any, name: str) -> str:
    """Read a text from what a model answered."""
    return bytes(answer.as_numpy(name)).decode()


def _input(triton: Any, name: str, values: NDArray[Any], type_: str) -> Any:
    tensor = triton.InferInput(name, [values.size], type_)
    tensor.set_data_from_numpy(values)
    return tensor
