"""Calls: the right client, one deadline, one fallback, and what is recorded of it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
import grpc
import pytest
from openfeature import api
from pydantic import SecretStr
from tritonclient.utils import InferenceServerException

from openfeature_triton.provider import (
    DeadlineExceededError,
    Experiments,
    ProviderSettings,
    Service,
    TritonProvider,
    error_class,
)
from tests.provider import endpoints
from tests.provider.endpoints import (
    FORBIDDEN,
    HTML_500,
    UNAUTHORISED,
    Endpoint,
    answers,
    ask,
    ask_async,
    breaks_off,
    drips,
    grpc_endpoint,
    hangs_up,
    http_endpoint,
    stays_silent,
)
from tests.provider.test_experiments import Event, outcomes, write_flags

OWN = "asr-own"
ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": OWN}
Run = Callable[..., float]


class Bench:
    """An experiment whose one variant that anybody gets is `treatment`, and the events of it."""

    def __init__(self, flags: Path, stack: ExitStack) -> None:
        self.events: list[Event] = []
        self.services: dict[str, Service] = {}
        self._stack = stack
        split = {"fractional": [["control", 0], ["treatment", 1]]}
        self._flags = write_flags(flags, one={"targeting": split})

    def experiments(self, **settings: Any) -> Experiments:
        """Connect; everything is closed with the test."""
        api.set_provider_and_wait(
            TritonProvider(
                self._flags,
                self.services,
                on_track=lambda name, _, details: self.events.append((name, details)),
            )
        )
        experiments = Experiments(api.get_client(), settings=ProviderSettings(**settings))
        self._stack.callback(experiments.close)
        return experiments

    def serve(self, service_id: str, behave: endpoints.Behaviour | None) -> Endpoint:
        """Put a service on a server that behaves so; on none for None."""
        if behave is None:
            endpoint = Endpoint(endpoints.unused_url())
        else:
            endpoint = self._stack.enter_context(http_endpoint(behave))
        self.services[service_id] = Service(service_id, "asr", endpoint.url, service_id)
        return endpoint

    def serve_grpc(self, service_id: str, **how: Any) -> Endpoint:
        """Put a service on a gRPC server."""
        endpoint = self._stack.enter_context(grpc_endpoint(**how))
        self.services[service_id] = Service(
            service_id, "asr", endpoint.url, service_id, protocol="grpc"
        )
        return endpoint

    def outcome(self) -> dict[str, Any]:
        """The one outcome that was recorded."""
        (outcome,) = outcomes(self.events)
        return dict(outcome.attributes)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An experiment without services yet."""
    with ExitStack() as stack:
        yield Bench(tmp_path / "flags.json", stack)


def run_sync(experiments: Experiments, fn: Any = ask, **more: Any) -> float:
    """Through `call`."""
    given: float = experiments.call(fn, "asr", **{**ASKED, **more})
    return given


def run_async(experiments: Experiments, fn: Any = None, **more: Any) -> float:
    """Through `call_async`, in an event loop of its own."""

    async def asynchronous(call: Any) -> float:
        return await ask_async(call) if fn is None else fn(call)

    return asyncio.run(experiments.call_async(asynchronous, "asr", **{**ASKED, **more}))


BOTH = pytest.mark.parametrize("run", [run_sync, run_async])


@BOTH
def test_a_call_runs_on_the_assigned_service(bench: Bench, run: Run) -> None:
    """The variant's endpoint is asked once, the caller's own not at all."""
    theirs, own = bench.serve("asr-fast", answers()), bench.serve(OWN, answers())
    assert run(bench.experiments()) == 2.0
    assert (theirs.posts, own.posts) == (1, 0)
    assert bench.outcome()["served"] == bench.outcome()["variant"] == "treatment"


@BOTH
@pytest.mark.parametrize(
    ("behave", "failure"),
    [
        (None, "unreachable"),
        (hangs_up, "unreachable"),
        (breaks_off, "unreachable"),
        (HTML_500, "server_error"),
        (FORBIDDEN, "unauthorised"),
        (UNAUTHORISED, "unauthorised"),
        (stays_silent, "timeout"),
        (drips, "timeout"),
    ],
)
def test_a_failing_endpoint_is_replaced_once_by_the_own_service(
    bench: Bench, run: Run, behave: endpoints.Behaviour | None, failure: str
) -> None:
    """Each endpoint gets the request once; assigned and served are both recorded."""
    theirs, own = bench.serve("asr-fast", behave), bench.serve(OWN, answers())
    experiments = bench.experiments()
    started = time.monotonic()
    assert run(experiments, deadline_s=1.0) == 2.0
    assert time.monotonic() - started < 5  # not the minute that the server takes
    assert (theirs.posts, own.posts) == (behave is not None, 1)
    outcome = bench.outcome()
    assert (outcome["variant"], outcome["served"]) == ("treatment", "own")
    assert (outcome["success"], outcome["error_class"]) == (True, "")
    assert experiments.counts()[f"fallback_{failure}"] == 1


@BOTH
@pytest.mark.parametrize("behave", [stays_silent, drips])
def test_the_total_deadline_cuts_off_both_attempts(
    bench: Bench, run: Run, behave: endpoints.Behaviour
) -> None:
    """Where the own service hangs as well, the caller hears of it in bounded time."""
    theirs, own = bench.serve("asr-fast", behave), bench.serve(OWN, behave)
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError) as caught:
        run(bench.experiments(), deadline_s=0.6)
    assert time.monotonic() - started < 5
    assert error_class(caught.value) == "timeout"
    assert (theirs.posts, own.posts) == (1, 1)
    outcome = bench.outcome()
    assert (outcome["served"], outcome["error_class"]) == ("own", "timeout")


@BOTH
def test_no_time_at_all_is_not_all_the_time(bench: Bench, run: Run) -> None:
    """A service that has used up its own time gets no other deadline for it."""
    bench.serve("asr-fast", stays_silent)
    bench.serve(OWN, stays_silent)
    started_s = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        run(bench.experiments(), deadline_s=0.0)
    assert time.monotonic() - started_s < 5


def test_a_thread_can_ask_again_after_it_was_cut_off(bench: Bench) -> None:
    """The connection that was left in the middle of an answer is not waited for."""
    bench.serve("asr-fast", drips)
    experiments = bench.experiments()
    for _ in range(3):
        with (
            pytest.raises(DeadlineExceededError),
            experiments.infer("asr", **ASKED, deadline_s=0.3) as call,
        ):
            ask(call)
    good = bench.serve("asr-fast", answers())
    with experiments.infer("asr", **ASKED) as call:
        assert ask(call) == 2.0
    assert good.posts == 1


def test_the_deadline_counts_from_the_start_of_the_call(bench: Bench) -> None:
    """Time that the service spends before it asks is not given twice."""
    bench.serve("asr-fast", drips)
    experiments = bench.experiments()
    started = time.monotonic()

    def ask_late(call: Any) -> float:
        time.sleep(0.4)
        return ask(call)

    with pytest.raises(DeadlineExceededError):
        experiments.call(ask_late, "asr", **ASKED, deadline_s=0.5)
    assert time.monotonic() - started < 5


def test_a_client_that_is_looked_at_after_the_call_starts_no_timer(bench: Bench) -> None:
    """A debugger, a log or a late line may touch `call.client`: no later request is cut off."""
    bench.serve("asr-fast", answers())
    bench.serve(OWN, answers())
    experiments = bench.experiments(deadline_s=0.2)
    with experiments.infer("asr", **ASKED) as call:
        assert ask(call)
    assert call.client is not None
    patient = bench.experiments(deadline_s=30.0)
    gevent.sleep(0.4)  # in which a timer that was left would raise
    with patient.infer("asr", **ASKED) as later:
        assert ask(later)


def test_a_call_that_ends_in_time_leaves_no_timer(bench: Bench) -> None:
    """A later request of the thread is not hit by an earlier one's deadline."""
    bench.serve("asr-fast", answers())
    experiments = bench.experiments()
    with experiments.infer("asr", **ASKED, deadline_s=0.2) as call:
        ask(call)
    bench.serve("asr-fast", drips)
    with (
        pytest.raises(DeadlineExceededError, match=r"within 0\.5 s"),
        experiments.infer("asr", **ASKED, deadline_s=0.5) as call,
    ):
        ask(call)


@BOTH
@pytest.mark.parametrize("error", [ValueError("bad audio"), KeyboardInterrupt(), SystemExit(2)])
def test_the_services_own_exceptions_are_not_a_reason_to_fall_back(
    bench: Bench, run: Run, error: BaseException
) -> None:
    """A request that is itself bad, or is to end, is not sent anywhere else."""
    bench.serve("asr-fast", answers())
    own = bench.serve(OWN, answers())
    seen = []

    def fail(call: Any) -> float:
        seen.append(call.model_name)
        raise error

    with pytest.raises(type(error)) as caught:
        run(bench.experiments(), fail)
    assert caught.value is error
    assert (seen, own.posts) == (["asr-fast"], 0)


def test_an_invalid_request_is_not_sent_twice(bench: Bench) -> None:
    """400 is the request's own fault."""
    bench.serve("asr-fast", answers("400 Bad Request", b'{"error": "no such input"}'))
    own = bench.serve(OWN, answers())
    with pytest.raises(InferenceServerException, match="no such input"):
        run_sync(bench.experiments())
    assert own.posts == 0
    assert bench.outcome()["error_class"] == "invalid_request"


@BOTH
def test_the_same_endpoint_is_never_asked_twice(bench: Bench, run: Run) -> None:
    """Where the own service is the one that failed, there is nothing to fall back on."""
    theirs = bench.serve("asr-fast", HTML_500)
    bench.services[OWN] = replace(bench.services["asr-fast"], service_id=OWN)
    with pytest.raises(InferenceServerException):
        run(bench.experiments())
    assert theirs.posts == 1


@BOTH
def test_without_an_own_service_the_error_goes_on(bench: Bench, run: Run) -> None:
    """A fallback needs a service that somebody knows."""
    bench.serve("asr-fast", HTML_500)
    with pytest.raises(InferenceServerException):
        run(bench.experiments())
    assert bench.outcome()["error_class"] == "server_error"


def test_the_own_service_is_recorded_by_the_variant_that_it_is(bench: Bench) -> None:
    """A caller whose own service is the control's is served by the control."""
    bench.serve("asr-fast", HTML_500)
    bench.serve("asr-careful", answers())
    run_sync(bench.experiments(), service_id="asr-careful")
    assert (bench.outcome()["variant"], bench.outcome()["served"]) == ("treatment", "control")


def test_metrics_of_an_attempt_that_failed_are_forgotten(bench: Bench) -> None:
    """What is recorded is of the answer that was given."""
    bench.serve("asr-fast", HTML_500)
    bench.serve(OWN, answers())

    def measured(call: Any) -> float:
        call.record(output_characters=1 if call.model_name == OWN else 99, output_words=2)
        return ask(call)

    run_sync(bench.experiments(), measured)
    assert bench.outcome()["metrics"] == {"output_characters": 1, "output_words": 2}


@BOTH
def test_grpc_services_get_grpc_clients(bench: Bench, run: Run) -> None:
    """The service's protocol decides, and its credential goes where Triton looks for it."""
    theirs = bench.serve_grpc("asr-fast")
    bench.services["asr-fast"] = replace(
        bench.services["asr-fast"], credential=SecretStr("s3ntinel")
    )
    assert run(bench.experiments()) == 2.0
    assert theirs.headers[0]["authorization"] == "s3ntinel"
    assert theirs.headers[0]["triton-grpc-protocol-authorization"] == "s3ntinel"


@BOTH
@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ({"delay_s": 60}, "timeout"),
        ({"code": grpc.StatusCode.UNAVAILABLE}, "unreachable"),
        ({"code": grpc.StatusCode.INTERNAL}, "server_error"),
        ({"code": grpc.StatusCode.PERMISSION_DENIED}, "unauthorised"),
    ],
)
def test_a_failing_grpc_endpoint_is_replaced_too(
    bench: Bench, run: Run, how: dict[str, Any], failure: str
) -> None:
    """From gRPC to the own service, which may speak HTTP."""
    theirs, own = bench.serve_grpc("asr-fast", **how), bench.serve(OWN, answers())
    experiments = bench.experiments()
    assert run(experiments, deadline_s=1.0) == 2.0
    assert (theirs.posts, own.posts) == (1, 1)
    assert experiments.counts()[f"fallback_{failure}"] == 1


def test_a_grpc_call_is_over_at_its_deadline(bench: Bench) -> None:
    """With no `client_timeout` given, and with a longer one."""
    bench.serve_grpc("asr-fast", delay_s=60)
    experiments = bench.experiments()
    with (
        pytest.raises(InferenceServerException, match="DEADLINE_EXCEEDED"),
        experiments.infer("asr", **ASKED, deadline_s=0.3) as call,
    ):
        ask(call)
    assert bench.outcome()["error_class"] == "timeout"


def test_threads_share_a_grpc_client_and_loops_do_not(bench: Bench) -> None:
    """One channel for all threads; one client for each event loop, several of them at once."""
    bench.serve_grpc("asr-fast")
    clients = bench.experiments().clients
    service = bench.services["asr-fast"]
    found = [clients.grpc(service)]
    thread = threading.Thread(target=lambda: found.append(clients.grpc(service)))
    thread.start()
    thread.join()
    assert found[0] is found[1]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_several_event_loops_ask_at_once(bench: Bench, protocol: str) -> None:
    """Each thread's loop has its own clients, and closes them as it ends."""
    theirs = (
        bench.serve("asr-fast", answers()) if protocol == "http" else bench.serve_grpc("asr-fast")
    )
    experiments = bench.experiments()
    failures: list[BaseException] = []

    async def ask_often() -> None:
        for _ in range(5):
            calls = (experiments.call_async(ask_async, "asr", **ASKED) for _ in range(4))
            assert await asyncio.gather(*calls) == [2.0] * 4

    def run_loop() -> None:
        try:
            asyncio.run(ask_often())
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run_loop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert theirs.posts == 60
    assert not experiments.clients._of_loops._loops


def test_a_cancelled_call_is_cancelled(bench: Bench) -> None:
    """CancelledError passes through, recorded, with no second attempt."""
    bench.serve("asr-fast", stays_silent)
    own = bench.serve(OWN, answers())
    experiments = bench.experiments()

    async def cancel() -> None:
        task = asyncio.create_task(experiments.call_async(ask_async, "asr", **ASKED))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert own.posts == 0
    assert bench.outcome()["error_class"] == "cancelled"


def test_a_loop_goes_on_while_a_server_hangs(bench: Bench) -> None:
    """Other tasks run while ours waits."""
    bench.serve("asr-fast", drips)
    experiments = bench.experiments()

    async def tick(ticks: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks()

    async def both() -> int:
        count = [0]
        ticking = asyncio.create_task(tick(lambda: count.__setitem__(0, count[0] + 1)))
        with pytest.raises(DeadlineExceededError):
            async with experiments.infer_async("asr", **ASKED, deadline_s=0.5) as call:
                await ask_async(call)
        ticking.cancel()
        return count[0]

    assert asyncio.run(both()) >= 10


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("run", [run_sync, run_async])
def test_a_forked_child_asks_through_clients_of_its_own(
    bench: Bench, run: Run, protocol: str
) -> None:
    """A preloading server that has asked before it forks has workers that can ask."""
    theirs = bench.serve("asr-fast", answers()) if protocol == "http" else None
    if theirs is None:
        child_url = _grpc_server_in_a_child(bench)
        bench.services["asr-fast"] = Service("asr-fast", "asr", child_url, "m", protocol="grpc")
    experiments = bench.experiments()
    assert run(experiments) == 2.0
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        signal.alarm(20)
        os._exit(0 if run(experiments) == 2.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run(experiments) == 2.0


def _grpc_server_in_a_child(bench: Bench) -> str:
    """Start one in a fresh process: gRPC's own servers don't survive a fork."""
    import subprocess
    import sys

    program = (
        "import sys\n"
        "from tests.provider.endpoints import grpc_endpoint\n"
        "with grpc_endpoint() as e:\n"
        "    print(e.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    bench._stack.callback(server.communicate)
    assert server.stdout is not None
    return server.stdout.readline().strip()
