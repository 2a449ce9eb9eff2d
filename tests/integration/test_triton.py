"""Real inferences through the provider to a real Triton, and what the store then holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openfeature import api
from pydantic import SecretStr
from tritonclient.http import InferInput
from tritonclient.utils import InferenceServerException

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import counts_and_latencies
from openfeature_triton.flagd_config.life_cycle import conclude
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Call,
    Experiments,
    Keyring,
    ProviderSettings,
    Registry,
    RouteReason,
    Service,
    TritonProvider,
)
from tests import servers
from tests.flagd_servers import eventually

pytestmark = pytest.mark.integration

MODELS = {"echo-a": "echo", "echo-b": "echo", "broken": "fail"}


@pytest.fixture(scope="module")
def triton() -> Iterator[RunningTriton]:
    """A Triton with the deterministic models."""
    models = [servers.deterministic_model(name, does) for name, does in MODELS.items()]
    with servers.triton(*models) as running:
        yield running


@dataclass(frozen=True)
class World:
    """A service that takes part in the experiment `echo`, its own service being `echo-a`."""

    experiments: Experiments
    recorder: Recorder
    store: str

    def infer(self, key: str, text: str, language: str = "en-US") -> Call:
        """Send one request; what Triton answers must be what it was sent."""
        with self.experiments.infer(
            "asr", language=language, targeting_key=key, service_id="echo-a"
        ) as call:
            answer = call.client.infer(call.model_name, [_audio(text)])
            heard = bytes(answer.as_numpy("text")).decode("utf-16-le")
            call.record(output_characters=len(heard), word_accuracy=float(heard == text))
        return call

    def numbers(self) -> dict[str, summary.Numbers]:
        """What the store holds of each variant."""
        assert self.recorder.flush()
        with closing(SqlStore(self.store)) as store:
            found = summary.group(counts_and_latencies(store, "echo"), lambda each: each.variant)
        return {variant: summary.numbers(each) for variant, each in found.items()}


@pytest.fixture
def world(request: pytest.FixtureRequest, triton: RunningTriton, tmp_path: Path) -> Iterator[World]:
    """The world; its parameter is the service of the treatment, with whatever is to be wrong."""
    good = Service(
        service_id="echo-a",
        task_type="asr",
        url=triton.http_url,
        model_name="echo-a",
        credential=SecretStr(servers.CREDENTIAL),
    )
    changes = getattr(request, "param", {})
    treatment = replace(good, service_id="echo-b", **{"model_name": "echo-b", **changes})
    key = Keyring.generate_key()
    settings = ProviderSettings(
        flags=str(_write_flags(tmp_path)),
        registry=SecretStr(f"sqlite:///{tmp_path}/registry.db"),
        keys=key,
    )
    with closing(Registry(settings.registry, Keyring((key,)))) as registry:
        registry.create_schema()
        registry.add(good)
        registry.add(treatment)
    store = f"sqlite:///{tmp_path}/store.db"
    recorder = Recorder.open(RecorderSettings(store=SecretStr(store), on_sigterm=False))
    api.set_provider_and_wait(TritonProvider.open(settings, on_track=recorder.track))
    api.add_hooks([ExperimentHook(recorder)])
    experiments = Experiments(api.get_client(), settings=settings)
    yield World(experiments, recorder, store)
    experiments.close()
    assert recorder.close()


def test_the_store_holds_each_request_once(world: World) -> None:
    """Requests, exposures, characters: what was sent is what can be read, to the request."""
    texts = {f"user-{number}": "x" * (number % 7) for number in range(60)}
    sent: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for key, text in texts.items():
        variant = world.infer(key, text).route.variant
        sent[variant] += 1
        characters[variant] += len(text)
    numbers = world.numbers()
    assert set(sent) == {"control", "treatment"}
    assert {name: each.requests for name, each in numbers.items()} == sent
    assert {name: each.exposures for name, each in numbers.items()} == sent
    assert all(each.errors == 0 for each in numbers.values())
    for name, each in numbers.items():
        recorded = each.metrics["output_characters"]
        assert recorded.count == sent[name]
        assert recorded.mean * recorded.count == pytest.approx(characters[name])
        assert each.metrics["word_accuracy"].mean == 1.0
        assert each.mean_ms is not None
        assert each.mean_ms > 0


def test_a_variant_is_asked_at_its_own_model(world: World) -> None:
    """The same targeting key goes to the same model again, each variant to its own."""
    models = {"control": "echo-a", "treatment": "echo-b"}
    for number in range(10):
        calls = [world.infer(f"user-{number}", "hello") for _ in range(2)]
        assert calls[0].route == calls[1].route
        assert calls[0].model_name == models[calls[0].route.variant]


def test_a_concluded_experiment_sends_everybody_to_the_winner(world: World, tmp_path: Path) -> None:
    """While the service runs: all requests are answered by the winner's model, and none counts."""
    sent = Counter(world.infer(f"user-{number}", "hello").route.variant for number in range(20))
    conclude(tmp_path / "flags.json", "echo", "treatment", "better")
    eventually(lambda: world.infer("user-1", "hi").route.reason is RouteReason.CONCLUDED)
    before = world.numbers()
    calls = [world.infer(f"user-{number}", "hello") for number in range(20)]
    assert {call.model_name for call in calls} == {"echo-b"}
    assert world.numbers() == before
    assert sum(each.requests for each in before.values()) >= sum(sent.values())


def test_a_request_outside_the_experiment_goes_to_its_own_service(world: World) -> None:
    """French is not in the experiment: the caller's own service answers, and nothing is counted."""
    call = world.infer("user-1", "bonjour", language="fr")
    assert call.route.reason is RouteReason.NO_MATCH
    assert call.model_name == "echo-a"
    assert world.numbers() == {}


@pytest.mark.parametrize(
    "world", [{"credential": SecretStr("wrong")}, {"credential": None}], indirect=True
)
def test_a_wrong_credential_is_refused_and_counted(world: World) -> None:
    """Triton answers 403: the caller gets the client's own exception, the store `unauthorised`."""
    key = _key_of(world, "treatment")
    with pytest.raises(InferenceServerException) as caught:
        world.infer(key, "hello")
    assert caught.value.status() == "403"
    numbers = world.numbers()["treatment"]
    assert (numbers.requests, numbers.errors) == (1, 1)
    assert numbers.errors_by_class == {"unauthorised": 1}
    assert numbers.metrics == {}


@pytest.mark.parametrize("world", [{"model_name": "broken"}], indirect=True)
def test_a_model_that_fails_is_counted(world: World) -> None:
    """The model's error reaches the caller as it is, and the store as `server_error`."""
    key = _key_of(world, "treatment")
    with pytest.raises(InferenceServerException, match="this model fails"):
        world.infer(key, "hello")
    assert world.numbers()["treatment"].errors_by_class == {"server_error": 1}


@pytest.mark.parametrize("world", [{"model_name": "no-such-model"}], indirect=True)
def test_a_model_that_is_not_there_is_counted(world: World) -> None:
    """A model that Triton does not serve is an invalid request."""
    key = _key_of(world, "treatment")
    with pytest.raises(InferenceServerException):
        world.infer(key, "hello")
    assert world.numbers()["treatment"].errors_by_class == {"invalid_request": 1}


@pytest.mark.parametrize("world", [{"url": "127.0.0.1:1"}], indirect=True)
def test_an_endpoint_that_is_not_there_is_counted(world: World) -> None:
    """Nobody listens: the caller gets the error, the store `unreachable`."""
    key = _key_of(world, "treatment")
    with pytest.raises(OSError, match="refused"):
        world.infer(key, "hello")
    assert world.numbers()["treatment"].errors_by_class == {"unreachable": 1}


def _key_of(world: World, variant: str) -> str:
    """A targeting key that is assigned to a variant, by asking as a service would.

    `route` counts an exposure, and no request.
    """
    for number in range(100):
        key = f"user-{number}"
        route = world.experiments.route(
            "asr", language="en-US", targeting_key=key, service_id="echo-a"
        )
        if route.variant == variant:
            return key
    raise AssertionError(f"no key of {variant} in 100")


def _audio(text: str) -> InferInput:
    samples = np.frombuffer(text.encode("utf-16-le"), np.int16)
    audio = InferInput("audio", [samples.size], "INT16")
    audio.set_data_from_numpy(samples)
    return audio


def _write_flags(folder: Path) -> Path:
    targeting: dict[str, Any] = {
        "if": [
            {"in": [{"var": "language"}, ["en-US", "en-GB"]]},
            {"fractional": [["control", 50], ["treatment", 50]]},
        ]
    }
    flag = {
        "state": "ENABLED",
        "variants": {"control": {"service": "echo-a"}, "treatment": {"service": "echo-b"}},
        "defaultVariant": None,
        "targeting": targeting,
        "metadata": {"experiment": True, "task_type": "asr", "control": "control"},
    }
    path = folder / "flags.json"
    path.write_text(json.dumps({"flags": {"echo": flag}}), encoding="utf-8")
    return path
