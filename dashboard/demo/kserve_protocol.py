"""KServe v2's `infer` over HTTP with the binary tensor extension, as tritonclient speaks it. Pure.

A body is a JSON header, its length in the HTTP header `Inference-Header-Content-Length`, followed
by the bytes of the tensors in their order. Source: KServe "Open Inference Protocol" and Triton's
"Binary tensor data extension".
"""

from __future__ import annotations

import json
from typing import Any

HEADER_LENGTH = "Inference-Header-Content-Length"


class BadRequestError(Exception):
    """The request can't be understood; the message goes to the client."""


def read_input(body: bytes, header_length: str | None, name: str, datatype: str) -> bytes:
    """Give the bytes of the one input tensor of a request. Raises BadRequestError."""
    request, binary = _split(body, header_length)
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise BadRequestError(f"expected one input, {name!r}")
    tensor = inputs[0]
    if tensor.get("name") != name or tensor.get("datatype") != datatype:
        raise BadRequestError(f"expected the input {name!r} of {datatype}")
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size != len(binary):
        raise BadRequestError(f"input {name!r}: expected {len(binary)} bytes of binary data")
    return binary


def write_output(model: str, name: str, data: bytes) -> tuple[bytes, str]:
    """Give the body of an answer with one UINT8 tensor, and the length of its header."""
    output = {
        "name": name,
        "datatype": "UINT8",
        "shape": [len(data)],
        "parameters": {"binary_data_size": len(data)},
    }
    header = json.dumps({"model_name": model, "model_version": "1", "outputs": [output]}).encode()
    return header + data, str(len(header))


def _split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], bytes]:
    try:
        length = len(body) if header_length is None else int(header_length)
        request = json.loads(body[:length])
    except ValueError:
        raise BadRequestError("the request's header is not JSON") from None
    if not isinstance(request, dict):
        raise BadRequestError("the request's header is not a JSON object")
    return request, body[length:]
