"""The small server, asked by the real client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from openfeature_triton.dashboard.demo.grammar import word_accuracy
from openfeature_triton.dashboard.demo.kserve_server import running_kserve
from openfeature_triton.dashboard.demo.speech import utterances

KEY = {"authorization": "sesame"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with both recognisers."""
    with running_kserve("sesame") as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[InferenceServerClient]:
    """A client of it."""
    client = InferenceServerClient(url)
    yield client
    client.close()


def audio(samples: np.ndarray, name: str = "audio", datatype: str = "INT16") -> InferInput:
    """An input tensor."""
    tensor = InferInput(name, list(samples.shape), datatype)
    tensor.set_data_from_numpy(samples)
    return tensor


def test_it_says_what_it_serves(client: InferenceServerClient) -> None:
    """Health, readiness and metadata, as the client asks for them."""
    assert client.is_server_live()
    assert client.is_server_ready()
    for model in ("asr-careful", "asr-fast"):
        assert client.is_model_ready(model)
        metadata = client.get_model_metadata(model)
        assert metadata["inputs"] == [{"name": "audio", "datatype": "INT16", "shape": [-1]}]
    assert not client.is_model_ready("other")


def test_it_hears_what_is_spoken(client: InferenceServerClient) -> None:
    """A command goes in as a binary tensor, and comes back as text."""
    (spoken,) = utterances(1, seed=3)
    answer = client.infer("asr-careful", [audio(spoken.samples)], headers=KEY)
    text = bytes(answer.as_numpy("text")).decode()
    assert word_accuracy(spoken.text, text) > 0.7


def test_silence_is_an_empty_text(client: InferenceServerClient) -> None:
    """An answer without a single byte is an answer."""
    silence = np.zeros(16_000, np.int16)
    answer = client.infer("asr-fast", [audio(silence)], headers=KEY)
    assert bytes(answer.as_numpy("text")) == b""


@pytest.mark.parametrize("headers", [{}, {"authorization": "wrong"}])
def test_without_the_credential_it_answers_403(
    client: InferenceServerClient, headers: dict[str, str]
) -> None:
    """As the real Triton does."""
    with pytest.raises(InferenceServerException) as caught:
        client.infer("asr-fast", [audio(np.zeros(100, np.int16))], headers=headers)
    assert caught.value.status() == "403"


@pytest.mark.parametrize(
    ("model", "tensor", "status"),
    [
        ("other", audio(np.zeros(9, np.int16)), "404"),
        ("asr-fast", audio(np.zeros(9, np.int16), name="sound"), "400"),
        ("asr-fast", audio(np.zeros(9, np.float32), datatype="FP32"), "400"),
        ("asr-fast", audio(np.zeros(0, np.int16)), "500"),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_its_kind(
    client: InferenceServerClient, model: str, tensor: InferInput, status: str
) -> None:
    """An unknown model, a wrong tensor, and audio that the recogniser refuses."""
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor], headers=KEY)
    assert caught.value.status() == status


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"", None),
        (b"{", "1"),
        (b"[]", "2"),
        (b"{}", "x"),
        (b'{"inputs": 3}', None),
        (b'{"inputs": [{"name": "audio", "datatype": "INT16", "parameters": 3}]}', None),
        (b'{"inputs": [{"name": "audio", "datatype": "INT16"}]}', None),
        (b"\xff\xfe", None),
    ],
)
def test_nonsense_is_a_bad_request(url: str, body: bytes, length: str | None) -> None:
    """No body, however wrong, does more than get 400 and a reason; the connection lives on."""
    headers = KEY if length is None else {**KEY, "Inference-Header-Content-Length": length}
    connection = http.client.HTTPConnection(url, timeout=10)
    try:
        for _ in range(2):
            connection.request("POST", "/v2/models/asr-fast/infer", body, headers)
            answer = connection.getresponse()
            assert (answer.status, list(json.loads(answer.read()))) == (400, ["error"])
    finally:
        connection.close()


def test_it_ends_though_clients_stay_connected() -> None:
    """Connections that are kept alive hold nothing up."""
    with running_kserve("sesame") as url:
        connection = http.client.HTTPConnection(url, timeout=10)
        connection.request("GET", "/v2/health/ready")
        assert connection.getresponse().read() == b"{}"
    connection.close()
