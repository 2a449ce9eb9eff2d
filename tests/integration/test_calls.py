"""`call` and `call_async` on a real Triton: both protocols, real refusals, real timeouts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openfeature import api
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.provider import (
    DeadlineExceededError,
    Experiments,
    ProviderSettings,
    Service,
    TritonProvider,
)
from tests import servers
from tests.provider.test_experiments import Event, outcomes, write_flags

pytestmark = pytest.mark.integration

ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": "asr-careful"}
SPLIT = {"fractional": [["control", 0], ["treatment", 1]]}
ECHOED = "hello".encode("utf-16-le")
SLOW_MS = 20_000


@pytest.fixture(scope="module")
def triton() -> Iterator[RunningTriton]:
    """A Triton with two models that answer and one that takes its time."""
    behaviours = {"echo": "echo", "own": "echo", "sleep": "sleep"}
    models = [servers.deterministic_model(*each) for each in behaviours.items()]
    with servers.triton(*models) as running:
        yield running


def _inputs(call: Any, samples: Any) -> list[Any]:
    tensor = call.triton.InferInput("audio", [len(samples)], "INT16")
    tensor.set_data_from_numpy(samples)
    return [tensor]


def _samples(call: Any) -> Any:
    slow = np.array([SLOW_MS], np.int16)
    return slow if call.model_name == "sleep" else np.frombuffer(ECHOED, np.int16)


def _sync(experiments: Experiments, **more: Any) -> bytes:
    def infer(call: Any) -> bytes:
        answer = call.client.infer(call.model_name, _inputs(call, _samples(call)))
        return bytes(answer.as_numpy("text"))

    return experiments.call(infer, "asr", **ASKED, **more)


def _in_asyncio(experiments: Experiments, **more: Any) -> bytes:
    async def infer(call: Any) -> bytes:
        answer = await call.client.infer(call.model_name, _inputs(call, _samples(call)))
        return bytes(answer.as_numpy("text"))

    return asyncio.run(experiments.call_async(infer, "asr", **ASKED, **more))


Run = Callable[..., bytes]
Connect = Callable[..., Experiments]


@pytest.fixture
def events() -> list[Event]:
    """The tracking events that a recorder would get."""
    return []


@pytest.fixture
def connect(triton: RunningTriton, tmp_path: Path, events: list[Event]) -> Iterator[Connect]:
    """Make `Experiments` whose treatment is as the test wishes; the own service is `own`."""
    made: list[Experiments] = []

    def make(protocol: str, model: str, credential: str = servers.CREDENTIAL) -> Experiments:
        def service(service_id: str, protocol: str, model: str, credential: str) -> Service:
            url = triton.grpc_url if protocol == "grpc" else triton.http_url
            key = SecretStr(credential)
            return Service(service_id, "asr", url, model, protocol=protocol, credential=key)

        services = {
            "asr-careful": service("asr-careful", "http", "own", servers.CREDENTIAL),
            "asr-fast": service("asr-fast", protocol, model, credential),
        }
        flags = write_flags(tmp_path / "flags.json", one={"targeting": SPLIT})
        track = events.append
        provider = TritonProvider(flags, services, lambda name, _, details: track((name, details)))
        api.set_provider_and_wait(provider)
        made.append(Experiments(api.get_client(), settings=ProviderSettings()))
        return made[-1]

    yield make
    for each in made:
        each.close()


RUNS = pytest.mark.parametrize("run", [_sync, _in_asyncio], ids=["sync", "asyncio"])
PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])


@RUNS
@PROTOCOLS
def test_the_variant_answers(
    connect: Connect, events: list[Event], run: Run, protocol: str
) -> None:
    """With its credential where a real Triton looks for it."""
    assert run(connect(protocol, "echo")) == ECHOED
    (outcome,) = outcomes(events)
    assert (outcome.attributes["served"], outcome.attributes["success"]) == ("treatment", True)


@RUNS
@PROTOCOLS
def test_a_real_refusal_leads_to_the_own_service(
    connect: Connect, events: list[Event], run: Run, protocol: str
) -> None:
    """A wrong credential: 403 over HTTP, and what gRPC has for it."""
    experiments = connect(protocol, "echo", "wrong")
    assert run(experiments) == ECHOED
    assert experiments.counts()["fallback_unauthorised"] == 1
    (outcome,) = outcomes(events)
    assert (outcome.attributes["variant"], outcome.attributes["served"]) == ("treatment", "control")


@RUNS
@PROTOCOLS
def test_a_slow_model_is_not_waited_for(
    connect: Connect, events: list[Event], run: Run, protocol: str
) -> None:
    """The own service answers within the deadline."""
    experiments = connect(protocol, "sleep")
    assert run(experiments, deadline_s=2.0) == ECHOED
    assert experiments.counts()["fallback_timeout"] == 1
    (outcome,) = outcomes(events)
    assert outcome.value is not None
    assert outcome.value < SLOW_MS / 2


def test_infer_is_cut_off_at_its_deadline(connect: Connect) -> None:
    """Without a fallback, the caller hears of it in time."""
    experiments = connect("http", "sleep")
    with (
        pytest.raises(DeadlineExceededError),
        experiments.infer("asr", **ASKED, deadline_s=1.0) as call,
    ):
        call.client.infer(call.model_name, _inputs(call, _samples(call)))
