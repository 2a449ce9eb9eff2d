"""Faults: the caller gets its own service's answer or its own exception, soon, and counters tell.

Each fault is met by a whole service: flags, registry in a database, recorder, store.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from openfeature import api
from openfeature.hook import Hook
from pydantic import SecretStr
from tritonclient.utils import InferenceServerException

from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings
from openfeature_triton.provider import (
    AsyncCall,
    Call,
    DeadlineExceededError,
    Experiments,
    Keyring,
    ProviderSettings,
    Registry,
    RouteReason,
    Service,
    ServiceCache,
    TritonProvider,
)
from tests.provider import endpoints
from tests.provider.endpoints import ask, ask_async, http_endpoint
from tests.provider.test_experiments import write_flags
from tests.services.world import stored

OWN = "asr-careful"
ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": OWN}
SOON_S = 10.0
"""What a bounded time is here, where a call may take 1 s and machines are busy."""

Ask = Callable[..., float]


@dataclass
class World:
    """A service whose own endpoint answers 2.0; everybody is assigned to the other one."""

    folder: Path
    stack: ExitStack
    settings: ProviderSettings
    experiments: Experiments
    recorder: Recorder
    assigned: Service

    def break_assigned(self, behave: endpoints.Behaviour | None) -> None:
        """Let the assigned service's endpoint behave so; for None, nobody listens there."""
        url = endpoints.unused_url()
        if behave is not None:
            url = self.stack.enter_context(http_endpoint(behave)).url
        self.change(lambda registry: registry.update(replace(self.assigned, url=url)))
        self.until(lambda: self.route().service is not None and self.route().url == url)

    def change(self, edit: Callable[[Registry], object]) -> None:
        """Edit the registry, as an operator would."""
        with closing(Registry(self.settings.registry, Keyring((self.settings.keys,)))) as registry:
            edit(registry)

    def route(self) -> Any:
        """Where a request would go."""
        return self.experiments.route("asr", **ASKED)

    def until(self, what: Callable[[], bool]) -> None:
        """Wait until the provider has noticed."""
        end_s = time.monotonic() + SOON_S
        while not what():
            assert time.monotonic() < end_s, "the provider did not notice"
            time.sleep(0.02)

    def errors(self) -> dict[str, int]:
        """The error classes of the assigned variant, as stored."""
        assert self.recorder.flush()
        numbers = stored(f"sqlite:///{self.folder}/store.db", "one")
        return dict(numbers["treatment"].errors_by_class) if "treatment" in numbers else {}

    def requests(self) -> int:
        """How many outcomes the store holds."""
        assert self.recorder.flush()
        numbers = stored(f"sqlite:///{self.folder}/store.db", "one")
        return sum(each.requests for each in numbers.values())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A whole service; its own endpoint answers, and so does the assigned one."""
    with ExitStack() as stack:
        url = stack.enter_context(http_endpoint(endpoints.answers())).url
        settings = ProviderSettings(
            flags=str(
                write_flags(
                    tmp_path / "flags.json",
                    one={"targeting": {"fractional": [["control", 0], ["treatment", 1]]}},
                )
            ),
            registry=SecretStr(f"sqlite:///{tmp_path}/registry.db"),
            keys=Keyring.generate_key(),
            registry_ttl_s=0.05,
            deadline_s=1.0,
            breaker_failures=1000,
        )
        own = Service(OWN, "asr", url, OWN, credential=SecretStr("secret"))
        other = stack.enter_context(http_endpoint(endpoints.answers())).url
        assigned = replace(own, service_id="asr-fast", model_name="asr-fast", url=other)
        with closing(Registry(settings.registry, Keyring((settings.keys,)))) as registry:
            registry.create_schema()
            registry.add(own)
            registry.add(assigned)
        store = SecretStr(f"sqlite:///{tmp_path}/store.db")
        recorder = Recorder.open(RecorderSettings(store=store, on_sigterm=False))
        stack.callback(recorder.close)
        api.set_provider_and_wait(TritonProvider.open(settings, on_track=recorder.track))
        api.add_hooks([ExperimentHook(recorder)])
        experiments = Experiments(api.get_client(), settings=settings)
        stack.callback(experiments.close)
        yield World(tmp_path, stack, settings, experiments, recorder, assigned)


def infer(world: World, **more: Any) -> float:
    """Through `infer`."""
    with world.experiments.infer("asr", **{**ASKED, **more}) as call:
        return ask(call)


def infer_async(world: World, **more: Any) -> float:
    """Through `infer_async`."""

    async def one() -> float:
        async with world.experiments.infer_async("asr", **{**ASKED, **more}) as call:
            return await ask_async(call)

    return asyncio.run(one())


def call(world: World, **more: Any) -> float:
    """Through `call`."""
    return world.experiments.call(ask, "asr", **{**ASKED, **more})


def call_async(world: World, **more: Any) -> float:
    """Through `call_async`."""
    return asyncio.run(world.experiments.call_async(ask_async, "asr", **{**ASKED, **more}))


def drips(connection: Any, goes_on: Callable[[], bool]) -> None:
    """Send an answer of which each second brings a byte."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n")
    while goes_on():
        connection.sendall(b" ")
        time.sleep(1)


ENDPOINT_FAULTS = [
    pytest.param(None, (OSError, InferenceServerException), "unreachable", id="refused"),
    pytest.param(endpoints.answers_after(60), DeadlineExceededError, "timeout", id="60 s slow"),
    pytest.param(drips, DeadlineExceededError, "timeout", id="a byte a second"),
    pytest.param(endpoints.UNAUTHORISED, InferenceServerException, "unauthorised", id="401"),
    pytest.param(endpoints.FORBIDDEN, InferenceServerException, "unauthorised", id="403"),
    pytest.param(endpoints.HTML_500, Exception, "server_error", id="500 with HTML"),
    pytest.param(endpoints.breaks_off, Exception, "unreachable", id="closes mid-response"),
]


@pytest.mark.parametrize("through", [infer, infer_async])
@pytest.mark.parametrize(("behave", "raises", "error_class"), ENDPOINT_FAULTS)
def test_infer_gives_the_callers_own_exception(
    world: World, through: Ask, behave: Any, raises: Any, error_class: str
) -> None:
    """Without a fallback the client's error reaches the caller, in bounded time, and is stored."""
    world.break_assigned(behave)
    started_s = time.monotonic()
    with pytest.raises(raises):
        through(world)
    assert time.monotonic() - started_s < SOON_S
    assert world.errors() == {error_class: 1}


@pytest.mark.parametrize("through", [infer, infer_async, call, call_async])
def test_an_answer_before_the_deadline_is_waited_for(world: World, through: Ask) -> None:
    """Slow is no fault while there is time."""
    world.break_assigned(endpoints.answers_after(1.2))
    assert through(world, deadline_s=20.0) == 2.0
    assert (world.requests(), world.errors()) == (1, {})
    assert "fallback_timeout" not in world.experiments.counts()


@pytest.mark.parametrize("through", [call, call_async])
@pytest.mark.parametrize(("behave", "raises", "error_class"), ENDPOINT_FAULTS)
def test_call_gives_the_own_services_answer(
    world: World, through: Ask, behave: Any, raises: Any, error_class: str
) -> None:
    """With a fallback the own service answers within the deadline; the counter says why."""
    del raises
    world.break_assigned(behave)
    started_s = time.monotonic()
    assert through(world) == 2.0
    assert time.monotonic() - started_s < SOON_S
    assert world.experiments.counts()[f"fallback_{error_class}"] == 1
    assert (world.requests(), world.errors()) == (1, {})


def test_a_locked_registry_blocks_nobody(world: World) -> None:
    """While another process holds the database, requests go where they went."""
    database = sqlite3.connect(world.folder / "registry.db", isolation_level=None)
    with closing(database):
        database.execute("BEGIN EXCLUSIVE")
        started_s = time.monotonic()
        for _ in range(50):
            assert infer(world) == 2.0
            assert world.route().service_id == "asr-fast"
        assert time.monotonic() - started_s < SOON_S
        database.execute("ROLLBACK")
    assert (world.requests(), world.errors()) == (50, {})


def test_a_registry_that_is_gone_leaves_what_was_known(world: World) -> None:
    """The database file is removed: the last known services stay, and the trouble is counted."""
    for file in world.folder.glob("registry.db*"):
        file.unlink(missing_ok=True)  # SQLite may have removed it meanwhile
    provider = api.get_client().provider
    assert isinstance(provider, TritonProvider)
    cache = provider.services
    assert isinstance(cache, ServiceCache)
    world.until(lambda: any("could not be read" in each for each in cache.counts()))
    assert infer(world) == 2.0
    assert world.route().service_id == "asr-fast"
    assert not (world.folder / "registry.db").exists()


def test_a_deleted_row_sends_requests_home(world: World) -> None:
    """The assigned service's row goes while requests run: none fails, and the reason is counted."""
    with ThreadPoolExecutor(4) as pool:
        before = [pool.submit(infer, world) for _ in range(100)]
        world.change(lambda registry: registry.remove("asr-fast"))
        world.until(lambda: world.route().reason is RouteReason.UNKNOWN_SERVICE)
        after = [pool.submit(infer, world) for _ in range(20)]
        assert {each.result() for each in (*before, *after)} == {2.0}
    assert world.experiments.counts()["unknown_service"] >= 20
    assert world.errors() == {}


class Raises(Hook):
    """A hook of somebody else's that fails at some stages."""

    def __init__(self, *stages: str) -> None:
        self.failed: list[str] = []
        for stage in stages:
            setattr(self, stage, partial(self._fail, stage))

    def _fail(self, stage: str, *_: object, **__: object) -> NoReturn:
        self.failed.append(stage)
        raise RuntimeError("a hook fails")


@pytest.mark.parametrize("stages", [["before"], ["after"], ["before", "error"], ["finally_after"]])
@pytest.mark.parametrize("through", [infer, infer_async, call, call_async])
def test_a_hook_that_raises_costs_no_request(world: World, through: Ask, stages: list[str]) -> None:
    """Whatever another hook raises, whenever: the request is answered."""
    hook = Raises(*stages)
    api.add_hooks([hook])
    assert through(world) == 2.0
    assert hook.failed == stages


class Hostile:
    """A number that can't be looked at."""

    def _fail(self, *_: object) -> NoReturn:
        raise RuntimeError("a metric fails")

    __float__ = __int__ = __index__ = __bool__ = __repr__ = __str__ = __hash__ = _fail


@pytest.mark.parametrize("value", [Hostile(), float("nan"), "12", None, 10**400])
def test_a_metric_that_is_no_number_costs_only_itself(world: World, value: Any) -> None:
    """The outcome is stored without it, and the refusal is counted."""
    with world.experiments.infer("asr", **ASKED) as running:
        answered = ask(running)
        running.record(output_words=value, output_characters=4)
    assert answered == 2.0
    assert (world.requests(), world.errors()) == (1, {})
    assert sum(world.recorder.stats().refused_metrics.values()) == 1


def test_what_a_metric_callback_raises_is_the_callers(world: World) -> None:
    """An exception of the service's own code goes on as it is, and no second request is sent."""

    def count_words(running: Call) -> float:
        answered = ask(running)
        running.record(output_words=1 / 0)
        return answered

    with pytest.raises(ZeroDivisionError):
        world.experiments.call(count_words, "asr", **ASKED)
    assert world.errors() == {"other": 1}


@pytest.mark.parametrize("through", [infer, infer_async, call, call_async])
def test_a_recorder_that_raises_costs_no_request(world: World, through: Ask) -> None:
    """Tracking that fails in whatever way is counted, and the request is answered."""

    def fail(*_: object) -> NoReturn:
        raise RuntimeError("the recorder fails")

    api.set_provider_and_wait(TritonProvider.open(world.settings, on_track=fail))
    assert through(world) == 2.0


class Broken:
    """A recorder of which nothing works."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        return self._fail

    def _fail(self, *_: object) -> NoReturn:
        raise RuntimeError("the recorder fails")


@pytest.mark.parametrize("beside", [[], [Hook()]])  # told directly, and through the SDK
@pytest.mark.parametrize("through", [infer, infer_async, call, call_async])
def test_a_hook_whose_recorder_raises_costs_no_request(
    world: World, through: Ask, beside: list[Hook]
) -> None:
    """Not even where counting the failure fails."""
    broken: Any = Broken()
    api.clear_hooks()
    api.add_hooks([ExperimentHook(broken), *beside])
    assert through(world) == 2.0
    assert world.requests() == 1


def test_a_store_that_fails_costs_no_request(world: World) -> None:
    """While each write raises, requests are answered; what was recorded is written later."""
    sink = MemorySink()
    sink.failure = OSError("the disk is full")
    recorder = Recorder(sink, RecorderSettings(flush_s=0.05, on_sigterm=False))
    with closing(recorder):
        api.set_provider_and_wait(TritonProvider.open(world.settings, on_track=recorder.track))
        assert [infer(world) for _ in range(20)] == [2.0] * 20
        world.until(lambda: recorder.stats().failed_writes > 0)
        sink.failure = None
        assert recorder.flush()
        assert sink.total("inference_light", "requests") == 20


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("fallback", [False, True])
def test_ends_pass_through_unmasked(
    world: World, kind: type[BaseException], fallback: bool
) -> None:
    """What ends a process or a task goes on as the very same exception, recorded as cancelled."""
    end = kind("end")

    def fn(_: Call) -> NoReturn:
        raise end

    def infer_only() -> None:
        with world.experiments.infer("asr", **ASKED) as running:
            fn(running)

    with pytest.raises(kind) as caught:
        world.experiments.call(fn, "asr", **ASKED) if fallback else infer_only()
    assert caught.value is end
    assert world.errors() == {"cancelled": 1}


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_ends_pass_through_coroutines(world: World, kind: type[BaseException]) -> None:
    """In asyncio, too."""
    end = kind("end")

    async def fn(_: AsyncCall) -> float:
        raise end

    coroutine = world.experiments.call_async(fn, "asr", **ASKED)

    async def one() -> BaseException:
        try:
            await coroutine
        except BaseException as error:  # noqa: BLE001 - ends are what is looked at
            return error
        raise AssertionError("nothing was raised")

    assert asyncio.run(one()) is end
    assert world.errors() == {"cancelled": 1}


@pytest.mark.parametrize("behave", [endpoints.stays_silent, drips])
def test_an_event_loop_runs_on_while_calls_fail(world: World, behave: Any) -> None:
    """While ten calls fall back from a bad endpoint, another task gets its turns all the time."""
    world.break_assigned(behave)
    database = sqlite3.connect(world.folder / "registry.db", isolation_level=None)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    async def ten() -> list[float]:
        world.experiments.clients.aio(world.assigned)  # tritonclient's import is slow
        beating = asyncio.create_task(beat())
        calls = [world.experiments.call_async(ask_async, "asr", **ASKED) for _ in range(10)]
        answers = await asyncio.gather(*calls)
        beating.cancel()
        return answers

    with closing(database):
        database.execute("BEGIN EXCLUSIVE")  # the registry is away at the same time
        assert asyncio.run(ten()) == [2.0] * 10
        database.execute("ROLLBACK")
    assert beats > 5  # of some 50; a loop that stands still has one
