"""TritonProvider behind the stock OpenFeature client, sync and async."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason
from openfeature.track import TrackingEventDetails
from pydantic import SecretStr

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import Service, TritonProvider
from openfeature_triton.provider.file_flags import FileFlags

SENTINEL = "s3ntinel-credential"
ASR = "asr-fast-beam"


def make_service(service_id: str, **changes: Any) -> Service:
    """A published service with a credential that must show nowhere."""
    fields: dict[str, Any] = {
        "service_id": service_id,
        "task_type": "asr",
        "protocol": "http",
        "url": "127.0.0.1:8000",
        "model_name": service_id.replace("-", "_"),
        "model_version": "1",
        "credential_header": "authorization",
        "credential": SecretStr(SENTINEL),
        "published": True,
    }
    return Service(**{**fields, **changes})


SERVICES = {name: make_service(name) for name in ("asr-careful", "asr-fast")}
PLAIN_FLAGS = {
    "on": {"state": "ENABLED", "variants": {"yes": True, "no": False}, "defaultVariant": "yes"},
    "word": {"state": "ENABLED", "variants": {"a": "apple"}, "defaultVariant": "a"},
    "count": {"state": "ENABLED", "variants": {"few": 3}, "defaultVariant": "few"},
    "share": {"state": "ENABLED", "variants": {"half": 0.5}, "defaultVariant": "half"},
    "thing": {"state": "ENABLED", "variants": {"t": {"a": 1}}, "defaultVariant": "t"},
    "off": {"state": "DISABLED", "variants": {"yes": True}, "defaultVariant": "yes"},
}


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """The ASR example with plain flags of each type beside it."""
    document = json.loads(example("asr").read_text(encoding="utf-8"))
    document["flags"].update(PLAIN_FLAGS)
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(document))
    return path


def connect(flags: Path, services: Any = None, **kwargs: Any) -> OpenFeatureClient:
    """A stock client of a provider that has read the flags."""
    services = SERVICES if services is None else services
    source = FileFlags(flags, poll_s=0.01)
    api.set_provider_and_wait(TritonProvider(source, services, **kwargs))
    return api.get_client()


def context(key: str = "request-1", language: str = "en-US") -> EvaluationContext:
    """What a service says of a request."""
    return EvaluationContext(key, {"task_type": "asr", "language": language})


def test_an_experiment_resolves_to_a_service_without_its_credential(flags: Path) -> None:
    """The object tells where to send the request; the key stays in the registry."""
    details = connect(flags).get_object_details(ASR, {}, context())
    assert details.variant in {"control", "treatment"}
    assert details.reason == Reason.TARGETING_MATCH
    service_id = {"control": "asr-careful", "treatment": "asr-fast"}[details.variant]
    assert details.value == {
        "service_id": service_id,
        "url": "127.0.0.1:8000",
        "protocol": "http",
        "model_name": service_id.replace("-", "_"),
        "model_version": "1",
    }
    assert SENTINEL not in repr(details)


def test_metadata_carries_the_phase_and_the_flags_own(flags: Path) -> None:
    """Hooks learn the phase and what the operator wrote."""
    metadata = connect(flags).get_object_details(ASR, {}, context()).flag_metadata
    assert metadata["experiment"] is True
    assert metadata["owner"] == "speech"
    assert len(str(metadata["phase"])) == 8
    int(str(metadata["phase"]), 16)


def test_the_string_of_an_experiment_is_its_service_id(flags: Path) -> None:
    """Both types give the same assignment to the same targeting key."""
    client = connect(flags)
    for number in range(50):
        key = context(f"request-{number}")
        whole = client.get_object_details(ASR, {}, key)
        named = client.get_string_details(ASR, "own", key)
        assert isinstance(whole.value, dict)
        assert named.value == whole.value["service_id"]
        assert named.variant == whole.variant


def test_the_split_follows_the_weights(flags: Path) -> None:
    """Of 4,000 requests about half get each variant (5 standard deviations)."""
    client = connect(flags)
    split = Counter(
        client.get_object_details(ASR, {}, context(f"r{n}")).variant for n in range(4000)
    )
    assert set(split) == {"control", "treatment"}
    assert abs(split["control"] - 2000) < 5 * 1000**0.5


def test_no_match_gives_the_callers_default_without_an_error(flags: Path) -> None:
    """A language that the experiment does not name keeps the caller's own service."""
    details = connect(flags).get_string_details(ASR, "own", context(language="hi"))
    assert (details.value, details.variant, details.reason) == ("own", None, Reason.DEFAULT)
    assert details.error_code is None


def test_plain_flags_pass_through_by_type(flags: Path) -> None:
    """Boolean, string, integer, float and object flags are flagd's."""
    client = connect(flags)
    assert client.get_boolean_value("on", False) is True
    assert client.get_string_value("word", "") == "apple"
    assert client.get_integer_value("count", 0) == 3
    assert client.get_float_value("share", 0.0) == 0.5
    assert client.get_float_value("count", 0.0) == 3.0
    assert client.get_object_value("thing", {}) == {"a": 1}
    assert client.get_boolean_details("off", False).reason == Reason.DISABLED


DEFAULTS: dict[str, Any] = {
    "boolean": True,
    "string": "default",
    "integer": 7,
    "float": 7.5,
    "object": {"default": True},
}
WRONG_TYPE = {"boolean": "word", "string": "on", "integer": "word", "float": "word", "object": "on"}


def evaluate(
    client: OpenFeatureClient, kind: str, key: str, *, asynchronous: bool
) -> FlagEvaluationDetails[Any]:
    """Evaluate in the sync or the async path."""
    if asynchronous:
        method = getattr(client, f"get_{kind}_details_async")
        details: FlagEvaluationDetails[Any] = asyncio.run(method(key, DEFAULTS[kind], context()))
        return details
    details = getattr(client, f"get_{kind}_details")(key, DEFAULTS[kind], context())
    assert isinstance(details, FlagEvaluationDetails)
    return details


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", DEFAULTS)
def test_each_error_leaves_the_callers_default(flags: Path, kind: str, asynchronous: bool) -> None:
    """The async client of the SDK does not restore the default by itself: the provider does."""
    client = connect(flags)
    missing = evaluate(client, kind, "no-such-flag", asynchronous=asynchronous)
    assert (missing.value, missing.error_code) == (DEFAULTS[kind], ErrorCode.FLAG_NOT_FOUND)
    mistyped = evaluate(client, kind, WRONG_TYPE[kind], asynchronous=asynchronous)
    assert (mistyped.value, mistyped.error_code) == (DEFAULTS[kind], ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ["object", "string"])
@pytest.mark.parametrize(
    ("services", "said"),
    [({}, "unknown"), ({n: make_service(n, published=False) for n in SERVICES}, "not published")],
)
def test_an_unusable_service_is_an_error_that_names_it(
    flags: Path, services: dict[str, Service], said: str, kind: str, asynchronous: bool
) -> None:
    """Unknown and unpublished services leave the caller's default, and say what is missing."""
    details = evaluate(connect(flags, services), kind, ASR, asynchronous=asynchronous)
    assert (details.value, details.error_code) == (DEFAULTS[kind], ErrorCode.GENERAL)
    assert said in str(details.error_message)
    assert ASR in str(details.error_message)


@pytest.mark.parametrize("kind", DEFAULTS)
def test_before_the_first_document_the_default_is_given(flags: Path, kind: str) -> None:
    """A provider without a document answers PROVIDER_NOT_READY, it does not raise."""
    flags.write_text("{")
    with pytest.raises(ProviderNotReadyError, match=r"flags\.json"):
        connect(flags)
    details = evaluate(api.get_client(), kind, ASR, asynchronous=False)
    assert (details.value, details.error_code) == (DEFAULTS[kind], ErrorCode.PROVIDER_NOT_READY)


def test_a_mended_file_makes_the_provider_ready(flags: Path) -> None:
    """READY follows when a good document comes after a bad start."""
    good, ready = flags.read_text(), threading.Event()
    flags.write_text("{")
    with pytest.raises(ProviderNotReadyError):
        connect(flags)
    client = api.get_client()
    client.add_handler(ProviderEvent.PROVIDER_READY, lambda _: ready.set())
    flags.with_suffix(".new").write_text(good)
    flags.with_suffix(".new").replace(flags)
    assert ready.wait(10)
    assert client.get_boolean_value("on", False) is True


def test_a_changed_flag_is_told_with_its_key(flags: Path) -> None:
    """CONFIGURATION_CHANGED names what changed, and only that."""
    client, told, seen = connect(flags), threading.Event(), list[EventDetails]()

    def remember(details: EventDetails) -> None:
        seen.append(details)
        told.set()

    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, remember)
    flags.with_suffix(".new").write_text(flags.read_text().replace("apple", "pear"))
    flags.with_suffix(".new").replace(flags)
    assert told.wait(10)
    assert seen[0].flags_changed == ["word"]
    assert client.get_string_value("word", "") == "pear"


def test_each_phase_is_told_once_with_its_definition(flags: Path) -> None:
    """The recorder hears of a phase when it first goes live."""
    events: list[tuple[str, TrackingEventDetails]] = []
    connect(flags, on_track=lambda name, _, details: events.append((name, details)))
    (name, details), *others = events
    assert not others
    assert name == "experiment_phase"
    assert details.attributes["experiment"] == ASR
    assert json.loads(str(details.attributes["weights"])) == {"control": 50, "treatment": 50}
    assert json.loads(str(details.attributes["definition"]))["state"] == "ENABLED"


def test_track_never_raises(flags: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A recorder that fails is logged once and costs the request nothing."""

    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    client = connect(flags, on_track=fail)
    for _ in range(3):
        client.track("inference", context(), TrackingEventDetails(1.0))
    assert sum("tracking event" in record.message for record in caplog.records) == 1
