"""Thread clients: lent to one call at a time, whoever runs the call, and given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from openfeature_triton.provider import (
    DeadlineExceededError,
    Experiments,
    ProviderSettings,
    Service,
    TritonClients,
    calls,
    thread_clients,
)
from tests.provider.endpoints import answers, ask, drips, http_endpoint, stays_silent
from tests.provider.test_calls import ASKED, Bench, bench
from tests.provider.test_experiments import outcomes

__all__ = ["bench"]  # a fixture

SERVICE = Service("asr", "asr", "127.0.0.1:9", "m")


def test_calls_within_calls_have_clients_of_their_own(bench: Bench) -> None:
    """And those that follow take them again."""
    bench.serve("asr-fast", answers())
    experiments = bench.experiments()
    seen = []
    for _ in range(2):
        with experiments.infer("asr", **ASKED) as outer, experiments.infer("asr", **ASKED) as inner:
            seen += [outer.client, inner.client]
            assert (ask(outer), ask(inner)) == (2.0, 2.0)
            assert outer.client is seen[-2]
    assert seen[0] is not seen[1]
    assert {*map(id, seen)} == {id(seen[0]), id(seen[1])}


@pytest.mark.parametrize(("outer_s", "inner_s"), [(0.3, 9.0), (9.0, 0.3)])
def test_the_sooner_of_two_deadlines_ends_both_calls(
    bench: Bench, outer_s: float, inner_s: float
) -> None:
    """Each is recorded, and the thread can ask again."""
    bench.serve("asr-fast", drips)
    experiments = bench.experiments()

    def ask_within() -> None:
        with experiments.infer("asr", **ASKED, deadline_s=outer_s) as outer:
            assert outer.client
            with experiments.infer("asr", **ASKED, deadline_s=inner_s) as inner:
                ask(inner)

    started_s = time.monotonic()
    with pytest.raises(DeadlineExceededError, match=r"0\.3 s"):
        ask_within()
    assert time.monotonic() - started_s < 5
    assert [each.attributes["error_class"] for each in outcomes(bench.events)] == ["timeout"] * 2
    bench.serve("asr-fast", answers())
    with experiments.infer("asr", **ASKED) as call:
        assert ask(call) == 2.0


def _streamed(experiments: Experiments) -> Iterator[float]:
    """Answers of a call, as a web service streams them."""
    with experiments.infer("asr", **ASKED) as call:
        yield ask(call)
        yield ask(call)


def test_a_generator_may_end_in_another_thread(bench: Bench) -> None:
    """Both threads keep their clients, and the outcome is recorded."""
    bench.serve("asr-fast", answers())
    experiments = bench.experiments()
    streamed = _streamed(experiments)
    assert next(streamed) == 2.0
    kept = []

    def end_it() -> None:
        with experiments.infer("asr", **ASKED) as call:
            ask(call)
        mine = experiments.clients.http(bench.services["asr-fast"])
        streamed.close()  # type: ignore[attr-defined]
        kept.append(experiments.clients.http(bench.services["asr-fast"]) is mine)

    thread = threading.Thread(target=end_it)
    thread.start()
    thread.join()
    assert kept == [True]
    classes = [each.attributes["error_class"] for each in outcomes(bench.events)]
    assert classes == ["", "cancelled"]
    assert list(_streamed(experiments)) == [2.0, 2.0]


def test_a_generator_may_go_on_in_another_thread(bench: Bench) -> None:
    """There it asks by a client of that thread, and its own is free again."""
    bench.serve("asr-fast", answers())
    experiments = bench.experiments()
    service = bench.services["asr-fast"]
    streamed = _streamed(experiments)
    assert next(streamed) == 2.0
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(streamed))
    thread.start()
    thread.join()
    assert found == [2.0]
    mine = experiments.clients.http(service)
    assert list(_streamed(experiments)) == [2.0, 2.0]
    assert experiments.clients.http(service) is mine


class SoftLimitError(Exception):
    """What a task runner raises out of a signal's handler."""


def test_an_exception_out_of_a_signal_costs_only_its_call(bench: Bench) -> None:
    """It comes in the middle of an answer, whose connection is not used again."""
    bench.serve("asr-fast", stays_silent)
    experiments = bench.experiments()

    def raise_it(*_: object) -> None:
        raise SoftLimitError

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(SoftLimitError), experiments.infer("asr", **ASKED) as call:
            ask(call)
    finally:
        signal.signal(signal.SIGALRM, before)
    bench.serve("asr-fast", answers())
    with experiments.infer("asr", **ASKED) as call:
        assert ask(call) == 2.0


def test_an_interrupt_at_the_end_of_a_call_leaves_no_timer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later request of the thread would be cut off by it."""
    bench.serve("asr-fast", answers())
    experiments = bench.experiments()

    def interrupt(_: BaseException) -> None:
        raise KeyboardInterrupt

    call = experiments.infer("asr", **ASKED).__enter__()
    ask(call)
    lent: Any = call._lent
    monkeypatch.setattr(calls, "empty_client_frames", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call.__exit__(RuntimeError, RuntimeError(), None)
    assert not lent.timers._running


def test_a_child_that_is_forked_in_a_call_asks_by_its_own_connection(bench: Bench) -> None:
    """Its parent goes on with the one that it has."""
    bench.serve("asr-fast", answers())
    with bench.experiments().infer("asr", **ASKED) as call:
        assert ask(call) == 2.0
        before = call.client
        child = os.fork()
        if child == 0:  # pragma: no cover - the child's lines are not measured
            signal.alarm(20)
            with suppress(BaseException):
                os._exit(0 if ask(call) == 2.0 and call.client is not before else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ask(call) == 2.0
        assert call.client is before


def test_a_thread_keeps_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a burst of calls needed is closed again; so is what is still lent at the end."""
    monkeypatch.setattr(thread_clients, "_MOST_IDLE", 2)
    with closing(TritonClients(ProviderSettings())) as clients:
        lent = [clients.lend(SERVICE) for _ in range(5)]
        for each in lent[:4]:
            each.let_go(None)
    lent[4].let_go(None)
    assert all(each.client._closed for each in lent)


_GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from openfeature import api
from openfeature_triton.provider import Experiments, ProviderSettings, Service, TritonProvider
from tests.provider.endpoints import ask
flags, url = sys.argv[1:]
services = {name: Service(name, "asr", url, name) for name in ("asr-careful", "asr-fast")}
api.set_provider_and_wait(TritonProvider(flags, services))
experiments = Experiments(api.get_client(), settings=ProviderSettings())

def answer(number):
    asked = {"targeting_key": str(number), "service_id": "asr-fast"}
    with experiments.infer("asr", language="en-US", **asked) as call:
        return ask(call)

for _ in range(5):
    running = [gevent.spawn(answer, number) for number in range(10)]
    gevent.joinall(running, raise_error=True)
    assert {each.value for each in running} == {2.0}
experiments.close()
api.shutdown()
"""


def test_greenlets_of_a_patched_service_share_what_is_idle() -> None:
    """Each greenlet has storage of its own there: a client for each would never be closed."""
    from openfeature_triton.flagd_config import example

    root = Path(__file__).parents[2]
    with http_endpoint(answers()) as endpoint:
        command = [sys.executable, "-c", _GREENLETS, str(example("asr")), endpoint.url]
        done = subprocess.run(command, cwd=root, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert endpoint.posts == 50
    assert endpoint.connections <= 20
