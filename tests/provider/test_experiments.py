"""Experiments: the route of a request, and what is recorded of its inference."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryProvider
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import (
    Experiments,
    ProviderSettings,
    RouteReason,
    Service,
    TritonProvider,
    UnknownServiceError,
)

OWN = "asr-own"
ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": OWN}
Event = tuple[str, TrackingEventDetails]


def make_service(service_id: str, *, published: bool = True) -> Service:
    """A service on a port where nobody listens."""
    return Service(
        service_id=service_id,
        task_type="asr",
        url="127.0.0.1:9",
        model_name=service_id,
        published=published,
    )


SERVICES = {name: make_service(name) for name in ("asr-careful", "asr-fast", OWN)}


@pytest.fixture
def events() -> list[Event]:
    """The tracking events that a recorder would get."""
    return []


@pytest.fixture
def connect(events: list[Event]) -> Iterator[Callable[..., Experiments]]:
    """Make `Experiments` over a flag file; its clients are closed in the end."""
    made: list[Experiments] = []

    def make(flags: Path, services: Any = None, **settings: Any) -> Experiments:
        def take(name: str, _: EvaluationContext, details: TrackingEventDetails) -> None:
            events.append((name, details))

        services = SERVICES if services is None else services
        api.set_provider_and_wait(TritonProvider(flags, services, on_track=take))
        made.append(Experiments(api.get_client(), settings=ProviderSettings(**settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def write_flags(path: Path, **changes: dict[str, Any]) -> Path:
    """Write the ASR example once per name, each with changes to flag or metadata."""
    original = json.loads(example("asr").read_text(encoding="utf-8"))["flags"]["asr-fast-beam"]
    flags = {}
    for name, change in changes.items():
        metadata = {**original["metadata"], **change.pop("metadata", {})}
        flags[name] = {**original, **change, "metadata": metadata}
    path.write_text(json.dumps({"flags": flags}))
    return path


def test_a_matching_request_goes_to_its_variant(
    connect: Callable[..., Experiments],
) -> None:
    """The route has the experiment, the phase, the variant and the service to call."""
    route = connect(example("asr")).route(
        "asr", language="en-US", targeting_key="r1", service_id=OWN
    )
    assert route.is_experiment
    assert route.experiment == "asr-fast-beam"
    assert route.service_id == {"control": "asr-careful", "treatment": "asr-fast"}[route.variant]
    assert (route.model_name, route.url, route.protocol) == (
        route.service_id,
        "127.0.0.1:9",
        "http",
    )
    assert len(route.phase) == 8


def test_route_and_evaluation_agree(connect: Callable[..., Experiments]) -> None:
    """The same targeting key gets the same variant through `route` and through the plain SDK."""
    experiments = connect(example("asr"))
    client = api.get_client()
    for number in range(100):
        key = f"r{number}"
        context = EvaluationContext(key, {"task_type": "asr", "language": "en-GB"})
        details = client.get_object_details("asr-fast-beam", {}, context)
        route = experiments.route("asr", language="en-GB", targeting_key=key, service_id=OWN)
        assert route.variant == details.variant


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"task_type": "nmt"}, RouteReason.NO_EXPERIMENT),
        ({"language": "hi"}, RouteReason.NO_MATCH),
        ({"targeting_key": None}, RouteReason.NO_TARGETING_KEY),
        ({"targeting_key": ""}, RouteReason.NO_TARGETING_KEY),
    ],
)
def test_without_an_assignment_the_own_service_is_used(
    connect: Callable[..., Experiments], request_: dict[str, Any], reason: RouteReason
) -> None:
    """Each way of not being in an experiment has its reason and is counted."""
    experiments = connect(example("asr"))
    asked = {"task_type": "asr", "language": "en-US", "targeting_key": "r1", **request_}
    route = experiments.route(asked.pop("task_type"), service_id=OWN, **asked)
    assert (route.service_id, route.reason, route.is_experiment) == (OWN, reason, False)
    assert route.service is SERVICES[OWN]
    assert experiments.counts() == {reason.value: 1}


def test_disabled_flags_take_nobody(connect: Callable[..., Experiments], tmp_path: Path) -> None:
    """A DISABLED experiment is as good as none."""
    flags = write_flags(tmp_path / "flags.json", one={"state": "DISABLED"})
    route = connect(flags).route("asr", language="en-US", targeting_key="r", service_id=OWN)
    assert (route.service_id, route.reason) == (OWN, RouteReason.NO_EXPERIMENT)


def test_the_first_match_by_priority_then_key_wins(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """A request is in at most one experiment per task: the lowest priority is asked first."""
    flags = write_flags(
        tmp_path / "flags.json", b={}, a={}, z={"metadata": {"priority": 1}, "state": "DISABLED"}
    )
    experiments = connect(flags)
    assert experiments.route("asr", **ASKED).experiment == "a"
    flags = write_flags(tmp_path / "flags.json", b={}, a={}, z={"metadata": {"priority": 1}})
    assert connect(flags).route("asr", **ASKED).experiment == "z"


def test_a_flag_that_fails_to_evaluate_costs_only_itself(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """The next experiment of the task takes the request; without one, the own service does."""
    nobody = {"cat": ["no", "body"]}  # a variant that the flag does not have
    broken = {"if": [{"var": "language"}, nobody, {"fractional": [["control", 1]]}]}
    experiments = connect(write_flags(tmp_path / "one.json", a={"targeting": broken}))
    assert experiments.route("asr", **ASKED).reason is RouteReason.FLAG_ERROR
    experiments = connect(write_flags(tmp_path / "two.json", a={"targeting": broken}, b={}))
    assert experiments.route("asr", **ASKED).experiment == "b"


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ({OWN: SERVICES[OWN]}, RouteReason.UNKNOWN_SERVICE),
        (
            {**{n: make_service(n, published=False) for n in SERVICES}, OWN: SERVICES[OWN]},
            RouteReason.UNPUBLISHED_SERVICE,
        ),
    ],
)
def test_an_unusable_service_falls_back_to_the_own_one(
    connect: Callable[..., Experiments], services: dict[str, Service], reason: RouteReason
) -> None:
    """A variant whose service the registry does not have, or hides, sends nobody anywhere new."""
    experiments = connect(example("asr"), services)
    route = experiments.route("asr", language="en-US", targeting_key="r", service_id=OWN)
    assert (route.service_id, route.reason) == (OWN, reason)
    assert route.service is SERVICES[OWN]


def test_switching_off_sends_everybody_home_at_once(connect: Callable[..., Experiments]) -> None:
    """By setting and by call; and back on."""
    assert connect(example("asr"), experiments=False).route("asr", **ASKED).reason is (
        RouteReason.SWITCHED_OFF
    )
    experiments = connect(example("asr"))
    experiments.disable()
    assert experiments.route("asr", **ASKED).reason is RouteReason.SWITCHED_OFF
    experiments.enable()
    assert experiments.route("asr", **ASKED).is_experiment


def test_another_provider_means_the_own_service() -> None:
    """Before our provider is set, requests go where they always went."""
    api.set_provider_and_wait(InMemoryProvider({}))
    own = make_service(OWN)
    experiments = Experiments(api.get_client(), own={OWN: own}, settings=ProviderSettings())
    route = experiments.route("asr", language="en-US", targeting_key="r", service_id=OWN)
    assert (route.reason, route.service) == (RouteReason.NOT_READY, own)
    experiments.close()


def test_route_never_raises(connect: Callable[..., Experiments]) -> None:
    """Services that raise are a reason to go home, logged and counted."""

    class Raising:
        def get(self, service_id: str, /) -> Service | None:
            if service_id == OWN:
                return SERVICES[OWN]
            raise OSError("the registry burns")

    experiments = connect(example("asr"), Raising())
    route = experiments.route("asr", language="en-US", targeting_key="r", service_id=OWN)
    assert (route.service_id, route.is_experiment) == (OWN, False)


class Hostile:
    """What nobody can look at."""

    def _raise(self, *_: object) -> NoReturn:
        raise RuntimeError("hands off")

    __eq__ = __ne__ = __hash__ = __bool__ = __str__ = __repr__ = __len__ = __iter__ = _raise


@pytest.mark.parametrize("named", ["task_type", "language", "targeting_key", "attributes"])
@pytest.mark.parametrize(
    "value", [["hi"], {"hi": []}, Hostile(), "\ud800", "x\0" * 999, 10**400, math.nan, b"r", None]
)
def test_odd_arguments_fail_no_request(
    connect: Callable[..., Experiments], named: str, value: Any
) -> None:
    """Whatever a service hands over, its request has a service to go to, and an end."""
    experiments = connect(example("asr"))
    asked = {"task_type": "asr", **ASKED, named: value}
    for _ in range(2):
        with experiments.infer(**asked) as call:
            assert call.model_name in SERVICES
            call.record(output_characters=1)
        assert experiments.route(**asked).service in SERVICES.values()


@pytest.mark.parametrize("value", [["hi"], Hostile(), "\ud800", 10**400, None])
def test_an_odd_own_service_is_an_unknown_one(
    connect: Callable[..., Experiments], value: Any
) -> None:
    """It leads nowhere, and whoever is in an experiment does not need it."""
    experiments = connect(example("asr"))
    route = experiments.route("asr", **{**ASKED, "service_id": value, "language": "fr"})
    assert (route.service, route.is_experiment) == (None, False)


def outcomes(events: list[Event]) -> list[TrackingEventDetails]:
    """The inference events among all."""
    return [details for name, details in events if name == "inference"]


def test_infer_records_success_with_latency_and_metrics(
    connect: Callable[..., Experiments], events: list[Event]
) -> None:
    """The block's duration, its success and its custom metrics become one outcome."""
    with connect(example("asr")).infer(
        "asr", language="en-US", targeting_key="r", service_id=OWN
    ) as call:
        call.record(output_characters=5)
        call.record(output_words=1)
    (outcome,) = outcomes(events)
    assert outcome.value is not None
    assert 0 <= outcome.value < 60_000
    assert outcome.attributes == {
        "experiment": "asr-fast-beam",
        "phase": call.route.phase,
        "variant": call.route.variant,
        "served": call.route.variant,
        "unit": "request",
        "task_type": "asr",
        "language": "en-US",
        "success": True,
        "error_class": "",
        "metrics": {"output_characters": 5, "output_words": 1},
    }


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "unreachable"),
        (ValueError("bad audio"), "other"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(3), "cancelled"),
    ],
)
def test_what_the_block_raises_is_recorded_and_goes_on(
    connect: Callable[..., Experiments],
    events: list[Event],
    error: BaseException,
    name: str,
) -> None:
    """The service's own exception reaches the service unchanged."""
    experiments = connect(example("asr"))
    with pytest.raises(type(error)) as caught, experiments.infer("asr", **ASKED):
        raise error
    assert caught.value is error
    (outcome,) = outcomes(events)
    assert (outcome.attributes["success"], outcome.attributes["error_class"]) == (False, name)


def test_requests_outside_experiments_are_not_recorded(
    connect: Callable[..., Experiments], events: list[Event]
) -> None:
    """The own service's traffic is nobody's outcome."""
    experiments = connect(example("asr"))
    with experiments.infer("asr", language="hi", targeting_key="r", service_id=OWN) as call:
        assert call.model_name == OWN
    assert not outcomes(events)


def test_an_unknown_own_service_is_said_when_its_client_is_asked_for(
    connect: Callable[..., Experiments],
) -> None:
    """Nothing can be sent to a service that nobody knows: the error names it."""
    experiments = connect(example("asr"))
    with (
        experiments.infer("asr", language="hi", targeting_key="r", service_id="ghost") as call,
        pytest.raises(UnknownServiceError, match="ghost"),
    ):
        _ = call.client
