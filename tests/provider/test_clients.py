"""TritonClients: one client per service and thread, with the credential in its header."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from tritonclient._request import Request
from tritonclient.http import InferInput
from tritonclient.utils import InferenceServerException

from openfeature_triton.provider import (
    InvalidServiceError,
    ProviderSettings,
    Service,
    TritonClients,
)
from openfeature_triton.provider.credential_plugin import CredentialPlugin
from tests.provider.test_foreign_errors import answering

SENTINEL = "s3ntinel-credential"
SERVICE = Service("asr", "asr", "127.0.0.1:9", "m", credential=SecretStr(SENTINEL))


@pytest.fixture
def clients() -> Any:
    """A pool, closed in the end."""
    clients = TritonClients(ProviderSettings())
    yield clients
    clients.close()


def _infer(client: Any) -> None:
    tensor = InferInput("x", [1], "FP32")
    tensor.set_data_from_numpy(np.ones(1, np.float32))
    with pytest.raises(InferenceServerException):
        client.infer("m", [tensor])


def test_the_credential_goes_in_the_services_header(clients: TritonClients) -> None:
    """The header and its value are the registry's, request by request."""
    seen: list[dict[str, str]] = []
    with answering(400, b"{}", seen) as url:
        _infer(clients.http(replace(SERVICE, url=url)))
        other = replace(SERVICE, service_id="b", url=url, credential_header="x-key")
        _infer(clients.http(other))
        _infer(clients.http(replace(SERVICE, service_id="c", url=url, credential=None)))
    assert seen[0]["authorization"] == SENTINEL
    assert seen[1]["x-key"] == SENTINEL
    assert "authorization" not in seen[1]
    assert "authorization" not in seen[2]


def test_a_thread_keeps_its_client(clients: TritonClients) -> None:
    """Asked again, the same; a record that was read again without a change changes nothing."""
    first = clients.http(SERVICE)
    assert clients.http(SERVICE) is first
    assert clients.http(replace(SERVICE)) is first


def test_another_thread_gets_another_client(clients: TritonClients) -> None:
    """Tritonclient's HTTP client belongs to one thread."""
    mine, others = clients.http(SERVICE), list[Any]()
    thread = threading.Thread(target=lambda: others.append(clients.http(SERVICE)))
    thread.start()
    thread.join()
    assert others[0] is not mine


@pytest.mark.parametrize(
    "change", [{"url": "127.0.0.1:10"}, {"credential": SecretStr("another")}, {"protocol": "grpc"}]
)
def test_a_changed_service_gets_a_fresh_client(
    clients: TritonClients, change: dict[str, Any]
) -> None:
    """A new endpoint or key takes effect with the next request."""
    first = clients.http(SERVICE)
    assert clients.http(replace(SERVICE, **change)) is not first


def test_a_forked_child_makes_its_own_client(clients: TritonClients) -> None:
    """A connection is never shared between processes."""
    first = clients.http(SERVICE)
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        os._exit(0 if clients.http(SERVICE) is not first else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert clients.http(SERVICE) is first


def test_the_credential_shows_in_no_repr(clients: TritonClients) -> None:
    """Neither the service nor its client shows what it carries."""
    assert SENTINEL not in repr(SERVICE) + str(SERVICE) + repr(clients.http(SERVICE))


def test_a_forked_child_can_ask_after_its_parent_has(clients: TritonClients) -> None:
    """A preloading server warms up, forks, and its workers' inferences are answered."""
    with answering(400, b"{}") as url:
        service = replace(SERVICE, url=url)
        _infer(clients.http(service))
        child = os.fork()
        if child == 0:  # pragma: no cover - the child's lines are not measured
            signal.alarm(20)  # a loop that was not made anew waits for ever
            _infer(clients.http(service))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        _infer(clients.http(service))


def test_ended_threads_leave_nothing_open(clients: TritonClients) -> None:
    """A server with a thread per request runs out of neither files nor threads."""

    def ask() -> None:
        _infer(clients.http(service))

    with answering(400, b"{}") as url:
        service = replace(SERVICE, url=url)
        counts = []
        for _ in range(12):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
            counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert counts[-1] - counts[2] < 9  # two at least for each thread otherwise


def test_a_credential_that_no_header_carries_is_told_by_its_service(
    clients: TritonClients,
) -> None:
    """The HTTP library would show the value; we say whose it is before it gets there."""
    service = replace(SERVICE, credential=SecretStr(f"{SENTINEL}\r\nx-more: 1"))
    with pytest.raises(InvalidServiceError, match="'asr': credential") as told:
        clients.http(service)
    assert SENTINEL not in str(told.value)


def test_printed_headers_show_no_credential() -> None:
    """A verbose tritonclient prints its headers as a dict."""
    request = Request(None)
    CredentialPlugin(SERVICE)(request)
    assert SENTINEL not in f"{request.headers}"
    assert str(request.headers["authorization"]) == SENTINEL


def test_a_service_is_copied_but_never_pickled() -> None:
    """A pickle would hold the credential in the clear."""
    assert copy.deepcopy(SERVICE) is SERVICE
    with pytest.raises(TypeError, match="service_id"):
        pickle.dumps(SERVICE)
