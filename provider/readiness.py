"""Readiness: whether each Triton serves its model to us, asked side by side.

A model's readiness alone says nothing of the credential where only inference is restricted to it.
So an inference follows whose one input no model has: Triton refuses it by its key first, and else
by its input, before a model sees it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from openfeature_triton.provider.clients import TritonClients
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.foreign_errors import (
    INVALID_REQUEST,
    SERVER_ERROR,
    TIMEOUT,
    UNAUTHORISED,
    UNREACHABLE,
    error_class,
)
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings

READY = "ready"
NOT_READY = "not ready"
UNKNOWN_MODEL = "unknown model"
WRONG_KEY = "wrong key"
NO_KEY = "no key"
UNREACHABLE_URL = "unreachable"
NO_ANSWER = "no answer"
FAILED = "failed"

ADVICE = {
    READY: "",
    NOT_READY: "Triton has the model and does not serve it: look at its log",
    UNKNOWN_MODEL: "Triton has no such model or version: service set --model, --version",
    WRONG_KEY: "Triton refuses the credential: service set --credential-file, or --header",
    NO_KEY: "no key in OFT_KEYS opens the credential: set the key it was added with",
    UNREACHABLE_URL: "nobody answers there: start Triton, or service set --url, --protocol",
    NO_ANSWER: "Triton did not answer in time: look at its load, or give a longer --timeout",
    FAILED: "what answers there is no Triton that works: look at its log, or service set --url",
}
"""What a state means, and what to do."""

_STATE_OF_ERROR = {
    UNAUTHORISED: WRONG_KEY,
    UNREACHABLE: UNREACHABLE_URL,
    TIMEOUT: NO_ANSWER,
    SERVER_ERROR: FAILED,
}
_AT_ONCE = 64
_NO_MODELS_INPUT = "openfeature-triton-check"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What asking for one service gave; `state` is a key of `ADVICE`."""

    service_id: str
    state: str
    took_ms: float = 0.0


def ask_all(
    services: Sequence[Service], settings: ProviderSettings, timeout_s: float
) -> Iterator[Readiness]:
    """Ask each service's Triton, all at once; gives answers as they come, none later than that.

    Args:
        services: whom to ask, with their credentials.
        settings: of the clients; their time-outs are `timeout_s`.
        timeout_s: for each service in all.
    """
    if not services:
        return
    bounds = {"connect_timeout_s": timeout_s, "network_timeout_s": timeout_s}
    with (
        closing(TritonClients(settings.model_copy(update=bounds))) as clients,
        ThreadPoolExecutor(min(len(services), _AT_ONCE), "oft-check") as pool,
    ):
        asked = [pool.submit(_ask, clients, each, timeout_s) for each in services]
        yield from (each.result() for each in as_completed(asked))


def _ask(clients: TritonClients, service: Service, timeout_s: float) -> Readiness:
    began_s = time.monotonic()
    try:
        with _client(clients, service, Deadline(timeout_s)) as client:
            state = _state(client, service)
    except BaseException as error:  # noqa: BLE001 - gevent's Timeout is no Exception
        state = _STATE_OF_ERROR.get(error_class(error), FAILED)
    return Readiness(service.service_id, state, (time.monotonic() - began_s) * 1000)


@contextmanager
def _client(clients: TritonClients, service: Service, deadline: Deadline) -> Iterator[Any]:
    """Give a client of a service whose requests end by the deadline."""
    if service.protocol == "grpc":
        yield clients.bounded_grpc(service, deadline)
        return
    lent = clients.lend(service)
    timer = lent.timers.start(deadline)
    try:
        yield lent.client
    finally:
        timer.stop()
        lent.let_go(None)


def _state(client: Any, service: Service) -> str:
    is_ready = client.is_model_ready(service.model_name, service.model_version)
    refused = _refusal(client, service)
    found = error_class(refused) if refused is not None else INVALID_REQUEST
    if found in _STATE_OF_ERROR and not (is_ready and found == SERVER_ERROR):
        return _STATE_OF_ERROR[found]
    if is_ready:
        return READY
    said = str(refused)
    return UNKNOWN_MODEL if "unknown model" in said else NOT_READY if "ready" in said else FAILED


def _refusal(client: Any, service: Service) -> Exception | None:
    """Ask for an inference that no model takes; gives why it was refused."""
    wanted = _foreign_input(service.protocol)
    try:
        client.infer(service.model_name, [wanted], service.model_version)
    except Exception as error:  # noqa: BLE001 - its class says what it was
        return error
    return None


def _foreign_input(protocol: str) -> Any:
    if protocol == "grpc":
        from tritonclient.grpc import InferInput  # noqa: PLC0415 - grpcio is slow to import
    else:
        from tritonclient.http import InferInput  # noqa: PLC0415 - as above
    wanted = InferInput(_NO_MODELS_INPUT, [1], "UINT8")
    wanted.set_data_from_numpy(np.zeros(1, np.uint8))
    return wanted
