"""Direct hooks: told without the SDK, they hear and record what they do through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook, HookContext
from openfeature.transaction_context import (
    ContextVarsTransactionContextPropagator,
    clear_transaction_context_propagator,
    set_transaction_context,
    set_transaction_context_propagator,
)

from openfeature_triton.flagd_config import parse_document
from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings, schema
from openfeature_triton.hooks.sink import Tags
from openfeature_triton.provider import (
    Experiments,
    ProviderSettings,
    Route,
    RouteReason,
    Service,
    TritonProvider,
)
from openfeature_triton.provider.direct_hooks import DirectHooks, is_direct
from openfeature_triton.provider.direct_tracking import direct_tracker
from tests.provider.test_experiments import ASKED, OWN, SERVICES, make_service, write_flags

SPLIT: Any = {"fractional": [["control", 50], ["treatment", 50]]}
TESTER: Any = {"==": [{"var": "tester"}, "t"]}
GOLD: Any = {"==": [{"var": "tier"}, "gold"]}


class Foreign(Hook):
    """A hook that needs the SDK: it looks on, at a stage of its own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def after(self, hook_context: HookContext, *_: Any, **__: Any) -> None:
        """Look on."""
        self.seen.append(hook_context.flag_key)


class World:
    """A service over a flag file with every odd experiment, and what it records."""

    def __init__(self, flags: Path, hooks: list[Hook], *, by_events: bool = False) -> None:
        write_flags(
            flags,
            gold={"targeting": {"if": [GOLD, SPLIT]}},
            plain={
                "targeting": {"if": [TESTER, "treatment", SPLIT]},
                "metadata": {"unit": "user", "priority": 101},
            },
            gone={
                "targeting": {"fractional": [["control", 1]]},
                "variants": {"control": {"service": "gone"}, "treatment": {"service": "hidden"}},
                "metadata": {"task_type": "tts"},
            },
            hidden={
                "targeting": {"fractional": [["treatment", 1]]},
                "variants": {"control": {"service": "gone"}, "treatment": {"service": "hidden"}},
                "metadata": {"task_type": "ocr"},
            },
        )
        self.sink = MemorySink()
        self.recorder = Recorder(self.sink, RecorderSettings(flush_s=3600, on_sigterm=False))
        services = {**SERVICES, "hidden": make_service("hidden", published=False)}
        track = partial(self.recorder.track) if by_events else self.recorder.track
        self.provider = TritonProvider(flags, services, on_track=track)
        api.set_provider_and_wait(self.provider, domain=str(flags))
        client = api.get_client(str(flags))
        client.add_hooks([ExperimentHook(self.recorder), *hooks])
        self.experiments = Experiments(client, settings=ProviderSettings())
        self.client = client

    def infer(self, task_type: str, **asked: Any) -> Route:
        """One request, and its outcome."""
        with self.experiments.infer(task_type, **{**ASKED, **asked}) as call:
            call.record(output_words=len(str(asked)))
        return call.route

    def recorded(self) -> list[tuple[str, Tags, tuple[tuple[str, Any], ...]]]:
        """All that the sink was given, but for when and how long."""
        assert self.recorder.flush()
        return sorted(
            (measurement, tags, tuple(each for each in fields.items() if _is_no_time(each[0])))
            for (measurement, tags, _), fields in self.sink.points.items()
            if measurement != schema.LATENCY
        )

    def close(self) -> None:
        """Leave nothing open."""
        self.experiments.close()
        self.recorder.close()


def _is_no_time(field: str) -> bool:
    return "latency" not in field and "duration" not in field


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a service with hooks beside ours."""
    made: list[World] = []

    def one(*hooks: Hook, by_events: bool = False) -> World:
        flags = tmp_path / f"flags-{len(made)}.json"
        made.append(World(flags, list(hooks), by_events=by_events))
        return made[-1]

    yield one
    for each in made:
        each.close()
    clear_transaction_context_propagator()


def _requests(world: World) -> list[Route]:
    """Requests of every kind."""
    found = [world.infer("asr", targeting_key=f"r{number}") for number in range(40)]
    found += [world.infer("asr", attributes={"tier": "gold"}, language="HI_in")]
    found += [world.infer("asr", attributes={"tester": "t"}), world.infer("asr", language="?")]
    found += [world.infer(each) for each in ("tts", "ocr", "nmt")]
    return [*found, world.infer("asr", targeting_key=None)]


def test_both_ways_record_the_same(make: Callable[..., World]) -> None:
    """With a foreign hook the SDK evaluates, without one it does not; nobody can tell."""
    foreign = Foreign()
    directly, by_sdk = make(), make(foreign)
    routes = _requests(directly)
    assert routes == _requests(by_sdk)
    assert len(foreign.seen) == 43, "the SDK was not asked"
    reasons = {route.reason for route in routes}
    assert reasons == {
        RouteReason.EXPERIMENT,
        RouteReason.FORCED,
        RouteReason.UNKNOWN_SERVICE,
        RouteReason.UNPUBLISHED_SERVICE,
        RouteReason.NO_EXPERIMENT,
        RouteReason.NO_TARGETING_KEY,
    }
    recorded = directly.recorded()
    assert recorded == by_sdk.recorded()
    assert {measurement for measurement, *_ in recorded} == {
        schema.LIGHT,
        schema.EVALUATION,
        schema.CLUSTERS,
        schema.PHASE,
    }
    assert directly.experiments.counts() == by_sdk.experiments.counts()


def test_events_say_the_same(make: Callable[..., World]) -> None:
    """A tracker that takes OpenFeature's events alone records what ours does without them."""
    directly, by_events = make(), make(by_events=True)
    assert (directly.provider.track_inference, by_events.provider.track_inference) == (
        directly.recorder.track_inference,
        None,
    )
    for world in (directly, by_events):
        _requests(world)
        with world.experiments.infer("asr", **ASKED):
            pass
        with suppress(TimeoutError), world.experiments.infer("asr", **ASKED) as call:
            call.record(output_words=2, undeclared=1)
            raise TimeoutError
    recorded = directly.recorded()
    assert recorded == by_events.recorded()
    assert any(("error_timeout", 1) in fields for *_, fields in recorded)
    assert directly.recorder.stats().refused_metrics == by_events.recorder.stats().refused_metrics


def test_events_are_left_out_only_where_nothing_hears_them(tmp_path: Path) -> None:
    """A `track` that somebody has made his own, in a class or an object, gets every event."""

    class Hears(Recorder):
        def track(self, *_: Any) -> None:
            """Hear."""

    class Tells(TritonProvider):
        def track(self, *_: Any) -> None:
            """Tell somebody else."""

    with closing(Recorder(MemorySink())) as ours, closing(Hears(MemorySink())) as hears:
        assert direct_tracker(ours.track) == ours.track_inference
        assert direct_tracker(hears.track) is None
        assert direct_tracker(ours.refused) is None
        assert direct_tracker(None) is None
        flags = write_flags(tmp_path / "flags.json", one={})
        assert Tells(flags, SERVICES, on_track=ours.track).track_inference is None
        ours.track = ours.track  # type: ignore[method-assign]
        assert direct_tracker(ours.track) is None


def test_both_ways_trace_the_same(make: Callable[..., World]) -> None:
    """The spans of all those requests have the same attributes."""
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="pip install opentelemetry-sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    attributes: list[list[Any]] = []
    for hooks in ([], [Foreign()]):
        exporter, tracing = InMemorySpanExporter(), trace.TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(exporter))
        world = make(*hooks)
        for task_type in ("asr", "tts", "ocr", "nmt"):
            with tracing.get_tracer("tests").start_as_current_span(task_type):
                world.infer(task_type)
        attributes.append([dict(span.attributes or {}) for span in exporter.get_finished_spans()])
        tracing.shutdown()
    assert attributes[0] == attributes[1]
    assert attributes[0][0]["ab_test.experiment_id"] == "plain"
    assert attributes[0][1]["error.type"] == "general"


@pytest.mark.parametrize("hooks", [[], [Foreign()]])
def test_what_is_said_around_a_request_counts(
    make: Callable[..., World], hooks: list[Hook]
) -> None:
    """Attributes and targeting key of API, transaction and client, the request's own first."""
    world = make(*hooks)
    api.set_evaluation_context(EvaluationContext(None, {"tier": "gold", "language": "ta"}))
    assert world.infer("asr").experiment == "gold"
    assert world.infer("asr", attributes={"tier": "tin"}).experiment == "plain"
    api.set_evaluation_context(EvaluationContext())
    world.client.context = EvaluationContext(None, {"tester": "t"})
    assert world.infer("asr").reason is RouteReason.FORCED
    world.client.context = EvaluationContext()
    set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    set_transaction_context(EvaluationContext("user-1"))
    route = world.infer("asr", targeting_key=None)
    assert (route.targeting_key, route.is_experiment) == ("user-1", True)
    assert route.language == "en-US"


@pytest.mark.parametrize("hooks", [[], [Foreign()]])
def test_tracking_hears_what_is_said_around_a_request(tmp_path: Path, hooks: list[Hook]) -> None:
    """The provider's `track` gets the context that `client.track` would give it."""
    told: list[tuple[str, EvaluationContext]] = []
    flags = write_flags(tmp_path / "flags.json", one={})
    provider = TritonProvider(
        flags, SERVICES, on_track=lambda name, context, _: told.append((name, context))
    )
    api.set_provider_and_wait(provider)
    api.add_hooks(hooks)
    experiments = Experiments(api.get_client(), settings=ProviderSettings())
    for around in ({}, {"region": "eu"}):
        api.set_evaluation_context(EvaluationContext("nobody", around))
        with experiments.infer("asr", **ASKED):
            pass
    experiments.close()
    assert [context for name, context in told if name == "inference"] == [
        EvaluationContext("r", {}),
        EvaluationContext("r", {"region": "eu"}),
    ]


class Reloads(Hook):
    """Puts another document in force in the middle of an evaluation."""

    def __init__(self) -> None:
        self.provider: TritonProvider | None = None
        self.text = b""

    def before(self, *_: Any, **__: Any) -> None:
        """Reload."""
        assert self.provider is not None
        self.provider.flags.on_document(parse_document(self.text, source="later"))


def test_no_reload_falls_into_a_request(make: Callable[..., World], tmp_path: Path) -> None:
    """The route is of the document that the request met, though another came in between."""
    hook = Reloads()
    world = make(hook)
    expected = make().infer("asr")
    flags = write_flags(tmp_path / "later.json", later={"state": "DISABLED"})
    hook.provider, hook.text = world.provider, flags.read_bytes()
    assert world.infer("asr") == expected
    assert world.infer("asr").reason is RouteReason.NO_EXPERIMENT


class Changes(Hook):
    """Says more of each request, as a service's own hook may."""

    def before(self, *_: Any, **__: Any) -> EvaluationContext:
        """Say more."""
        return EvaluationContext(None, {"tester": "t"})


def test_a_hook_that_changes_the_context_is_obeyed(make: Callable[..., World]) -> None:
    """The flag is evaluated in the context that the hook made."""
    route = make(Changes()).infer("asr")
    assert (route.experiment, route.reason) == ("plain", RouteReason.FORCED)


class Once(dict[str, Service]):
    """Services of which one is gone after the first look."""

    def get(self, service_id: str, default: Any = None) -> Any:
        """Look."""
        return (
            self.pop(service_id, default) if service_id == "asr-fast" else super().get(service_id)
        )


def test_a_row_that_goes_while_a_hook_is_obeyed_sends_the_request_home(tmp_path: Path) -> None:
    """The request is not left with an assignment that leads nowhere."""
    rule = {"if": [TESTER, "treatment", {"fractional": [["control", 1]]}]}
    flags = write_flags(tmp_path / "flags.json", one={"targeting": rule})
    api.set_provider_and_wait(TritonProvider(flags, Once(SERVICES)))
    api.add_hooks([Changes()])
    experiments = Experiments(api.get_client(), settings=ProviderSettings())
    route = experiments.route("asr", **ASKED)
    experiments.close()
    assert (route.reason, route.service) == (RouteReason.UNKNOWN_SERVICE, SERVICES[OWN])


class Derived(ExperimentHook):
    """A hook of a service that adds to ours."""

    def after(self, *_: Any, **__: Any) -> None:
        """Do something else, too."""


class Renewed(Derived):
    """One that stands for its own stages, too."""

    def evaluation_finished(self, *_: Any) -> None:
        """Take an evaluation."""


class Unrelated(Hook):
    """A hook that knows nothing of ours, and has a name in common."""

    evaluation_finished = False


def test_a_hook_that_adds_a_stage_is_not_direct(make: Callable[..., World]) -> None:
    """What a derived class, or an instance, does at a stage would be left out."""
    recorder = make().recorder
    ours, changed = ExperimentHook(recorder), ExperimentHook(recorder)
    changed.finally_after = lambda *_: None  # type: ignore[method-assign]
    assert [is_direct(each) for each in (ours, changed)] == [True, False]
    assert [is_direct(each) for each in (Derived(recorder), Renewed(recorder))] == [False, True]
    assert not is_direct(Hook())
    assert not is_direct(Unrelated())
    assert not is_direct(object())


def test_hooks_that_come_later_are_heard(make: Callable[..., World]) -> None:
    """Wherever they are added, even in place; and once they are gone, they are gone."""
    world, foreign = make(), Foreign()
    world.infer("asr")
    for hooks in (world.client.hooks, api.get_hooks()):
        hooks.append(foreign)
        world.infer("asr")
        hooks.remove(foreign)
        world.infer("asr")
    api.add_hooks([foreign])
    world.infer("asr")
    assert foreign.seen == ["plain"] * 3


def test_direct_hooks_are_looked_at_once() -> None:
    """And told in the SDK's order: provider, client, API."""
    looks: list[object] = []

    class Looked(ExperimentHook):
        def __init__(self) -> None:
            pass

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            looks.append(self)
            return {}

    hooks = (Looked(), Looked())
    known = DirectHooks()
    assert [known.among(hooks) for _ in range(3)] == [hooks[::-1]] * 3
    assert len(looks) == 2


class Raises(ExperimentHook):
    """A hook of somebody else's that breaks its promise."""

    def evaluation_finished(self, *_: Any) -> NoReturn:
        """Fail."""
        raise RuntimeError("a hook fails")


def test_a_direct_hook_that_raises_costs_nothing(make: Callable[..., World]) -> None:
    """The other hooks hear, the request goes on, and the trouble is counted."""
    first = make()
    world = make(Raises(first.recorder))
    assert world.infer("asr").is_experiment
    assert world.experiments.counts()["a hook failed; the request goes on"] == 1
    assert world.recorder.flush()
    assert world.sink.total(schema.LIGHT, schema.EXPOSURES) == 1


class Unready(ExperimentHook):
    """A hook that can't be told of a variant beforehand."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def listener(self, *_: Any) -> NoReturn:
        """Fail."""
        raise RuntimeError("a hook fails")

    def evaluation_finished(self, *told: Any) -> None:
        """Hear."""
        self.heard.append(told)


def test_a_hook_that_makes_no_listener_is_told_each_time(make: Callable[..., World]) -> None:
    """The request goes on, and the method that stands for all stages hears of it."""
    hook = Unready()
    world = make(hook)
    assert [world.infer("asr").is_experiment for _ in range(2)] == [True, True]
    assert len(hook.heard) == 2


def test_flags_of_the_world_are_read(tmp_path: Path) -> None:
    """The document of these tests is one that the reader takes whole."""
    World(tmp_path / "flags.json", []).close()
    text = (tmp_path / "flags.json").read_bytes()
    assert not parse_document(text, source="flags.json").refused
    assert set(json.loads(text)["flags"]) == {"gold", "plain", "gone", "hidden"}
    assert OWN in SERVICES
