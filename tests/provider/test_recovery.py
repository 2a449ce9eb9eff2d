"""Start and recovery: what is away at the start is waited for off the request's path."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.provider import ProviderStatus
from pydantic import SecretStr

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import (
    Experiments,
    Keyring,
    NotARegistryError,
    ProviderSettings,
    Registry,
    RouteReason,
    Service,
    TritonProvider,
)

ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": "own"}


@pytest.fixture
def settings(tmp_path: Path) -> ProviderSettings:
    """A flag file, and a registry that is not there yet."""
    return ProviderSettings(
        flags=str(example("asr")),
        registry=SecretStr(f"sqlite:///{tmp_path}/registry.db"),
        registry_ttl_s=0.05,
    )


def test_ready_follows_when_the_registry_comes(settings: ProviderSettings) -> None:
    """Until then the callers' own services answer, and nobody starts anything again."""
    ready = threading.Event()

    def on_ready(_: EventDetails) -> None:
        ready.set()

    with suppress(NotARegistryError):  # told to who sets the service up, who may go on
        api.set_provider_and_wait(TritonProvider.open(settings))
    client = api.get_client()
    client.add_handler(ProviderEvent.PROVIDER_READY, on_ready)
    experiments = Experiments(client, settings=settings)
    assert client.get_provider_status() is not ProviderStatus.READY
    assert experiments.route("asr", **ASKED).reason is RouteReason.UNKNOWN_SERVICE
    registry = Registry(settings.registry, Keyring())
    for service_id in ("asr-careful", "asr-fast"):
        service = Service(service_id, "asr", "127.0.0.1:9", service_id)
        registry.add(service, create_schema=True)
    registry.close()
    assert ready.wait(10)
    assert client.get_provider_status() is ProviderStatus.READY
    assert experiments.route("asr", **ASKED).is_experiment
    experiments.close()


DEFAULTS: Any = {"boolean": True, "string": "d", "integer": 7, "float": 7.5, "object": {"d": 1}}


@pytest.mark.parametrize("kind", DEFAULTS)
@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("ghost", ErrorCode.FLAG_NOT_FOUND),
        ("asr-fast-beam", ErrorCode.TYPE_MISMATCH),
        ("unusable", ErrorCode.GENERAL),
        ("broken", ErrorCode.PARSE_ERROR),
    ],
)
def test_errors_leave_the_default_in_both_paths(
    tmp_path: Path, kind: str, key: str, code: ErrorCode
) -> None:
    """The same code and the caller's default, sync and async, for each type."""
    api.set_provider_and_wait(TritonProvider(_flags(tmp_path), {}))
    client, default = api.get_client(), DEFAULTS[kind]
    if key == "asr-fast-beam" and kind in ("string", "object"):
        code = ErrorCode.GENERAL  # the right type, and a service that nobody knows
    if key == "unusable" and kind != "object":
        code = ErrorCode.GENERAL
    sync = getattr(client, f"get_{kind}_details")(key, default)
    in_asyncio = asyncio.run(getattr(client, f"get_{kind}_details_async")(key, default))
    for details in (sync, in_asyncio):
        assert details.value == default
        assert details.variant is None
        assert details.error_code is code, details.error_message


@pytest.mark.parametrize("kind", DEFAULTS)
def test_without_flags_the_default_is_given_in_both_paths(tmp_path: Path, kind: str) -> None:
    """PROVIDER_NOT_READY while there is no document."""
    provider = TritonProvider(tmp_path / "none.json", {})
    resolve = getattr(provider, f"resolve_{kind}_details")
    resolve_async = getattr(provider, f"resolve_{kind}_details_async")
    for details in (resolve("k", DEFAULTS[kind]), asyncio.run(resolve_async("k", DEFAULTS[kind]))):
        assert details.value == DEFAULTS[kind]
        assert details.error_code is ErrorCode.PROVIDER_NOT_READY


def _flags(folder: Path) -> Path:
    split = {"fractional": [["control", 1], ["treatment", 1]]}
    metadata = {"experiment": True, "task_type": "asr", "control": "control"}
    variants = {"control": {"service": "a"}, "treatment": {"service": "b"}}
    flags = {
        "asr-fast-beam": {
            "state": "ENABLED",
            "variants": variants,
            "defaultVariant": "control",
            "targeting": split,
            "metadata": metadata,
        },
        "unusable": {
            "state": "ENABLED",
            "variants": {"on": True},
            "defaultVariant": "on",
            "targeting": {"cat": ["no", "body"]},
        },
        "broken": {
            "state": "ENABLED",
            "variants": {"on": True},
            "defaultVariant": "on",
            "targeting": {"-": [{"var": "x"}, {"a": 1}, 3, 4]},
        },
    }
    path = folder / "flags.json"
    path.write_text(json.dumps({"flags": flags}))
    return path


def test_a_cancelled_evaluation_is_cancelled(tmp_path: Path) -> None:
    """Our evaluation never waits, so nothing can cancel the SDK in the middle of it."""
    api.set_provider_and_wait(TritonProvider(_flags(tmp_path), {}))
    client = api.get_client()

    async def evaluate_for_ever() -> None:
        while True:
            await client.get_object_details_async("asr-fast-beam", {})
            await asyncio.sleep(0)

    async def cancel() -> None:
        for steps in range(5):
            task = asyncio.create_task(evaluate_for_ever())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
