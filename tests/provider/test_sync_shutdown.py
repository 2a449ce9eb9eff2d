"""SyncFlags that is shut down in each state of flagd: soon, and with no thread left.

The design's bound is one second; the tests allow five for a busy machine, and
`--log-cli-level=INFO` tells what was measured. The states are those of flagd's double, and of
flagd itself wherever it is found.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openfeature import api
from openfeature.exception import ProviderNotReadyError

from openfeature_triton.flagd_config import example, give_way
from tests.flagd_servers import eventually, flagd_binary
from tests.provider.sync_world import (
    CHANGED,
    EMPTY,
    ERROR,
    STALE,
    TWO,
    World,
    flags,
    in_a_child,
    threads,
    word,
)

BOUND_S = 5.0

_log = logging.getLogger(__name__)


@pytest.fixture(params=["double", "flagd"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A server that is started; nothing at all of the provider's may be left in the end."""
    if request.param == "flagd":
        flagd_binary()
    world = World(tmp_path / "flags.json", real=request.param == "flagd")
    world.flagd.start()
    before = set(threading.enumerate())
    yield world
    api.shutdown()
    world.flagd.kill()
    eventually(lambda: not _since(before))


def _since(before: set[threading.Thread]) -> list[str]:
    """Threads that came since, gRPC's too; the SDK keeps the one that runs its handlers."""
    since = set(threading.enumerate()) - before
    return [each.name for each in since if not each.name.startswith("openfeature-event")]


def shut_down(world: World) -> None:
    """Within the bound, after which there is no thread of ours."""
    assert world.provider is not None
    assert threads()
    begun_s = time.monotonic()
    world.provider.shutdown()
    took_s = time.monotonic() - begun_s
    _log.info("shutdown took %.3f s", took_s)
    assert took_s < BOUND_S
    assert not threads()


def connected(world: World) -> None:
    """All is well."""
    world.connect()


def down_at_start(world: World) -> None:
    """It never came."""
    world.flagd.kill()
    with pytest.raises(ProviderNotReadyError):
        world.connect(deadline_ms=100)


def away(world: World) -> None:
    """It was there."""
    world.connect()
    world.flagd.kill()
    world.wait(STALE)


def hung(world: World) -> None:
    """The process is stopped, its connections open."""
    world.connect()
    world.flagd.hang()
    world.wait(STALE)


def just_hung(world: World) -> None:
    """Stopped, and not yet noticed."""
    world.connect()
    world.flagd.hang()


def restarted_with_another_file(world: World) -> None:
    """Quicker than the back-off."""
    client = world.connect()
    world.flagd.kill()
    world.flagd.write(TWO)
    world.flagd.start()
    world.wait(CHANGED)
    assert word(client) == "two"


def restarting(world: World) -> None:
    """Listening again, with the stream not yet open."""
    world.connect()
    world.flagd.kill()
    world.flagd.write(TWO)
    world.flagd.start()


def restarted_empty(world: World) -> None:
    """A set of no flags came, and was refused."""
    world.connect()
    world.flagd.kill()
    world.flagd.write(EMPTY)
    world.flagd.start()
    world.wait(ERROR)


def selector_typo(world: World) -> None:
    """A set of no flags is all that ever came."""
    with pytest.raises(ProviderNotReadyError, match="selector"):
        world.connect(selector="source=nobody")


def after_a_bad_document(world: World) -> None:
    """Which flagd itself does not send on."""
    client = world.connect()
    world.flagd.write("null")
    time.sleep(0.3)
    assert word(client) == "one"


STATES = (
    connected,
    down_at_start,
    away,
    hung,
    just_hung,
    restarted_with_another_file,
    restarting,
    restarted_empty,
    selector_typo,
    after_a_bad_document,
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_shutdown_is_soon_and_leaves_no_thread(
    world: World, state: Callable[[World], None]
) -> None:
    """Whatever flagd is doing at the time."""
    state(world)
    shut_down(world)


def _thousands() -> str:
    """5,000 experiments."""
    (key, flag), *_ = json.loads(example("asr").read_text(encoding="utf-8"))["flags"].items()
    return json.dumps({"flags": {f"{key}-{number}": flag for number in range(5_000)}})


@pytest.mark.slow
def test_shutdown_while_thousands_of_flags_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read no further, and what was in force stays."""
    client = world.connect()
    reading = threading.Event()

    def pause(pause_s: float) -> None:
        reading.set()
        time.sleep(pause_s)

    monkeypatch.setattr(give_way, "sleep", pause)
    world.flagd.write(_thousands())
    assert reading.wait(30.0)
    shut_down(world)
    assert word(client) == "one"


@contextmanager
def _a_hundred_changes_a_second(world: World) -> Iterator[None]:
    """A writer that never rests."""
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.wait(0.01):
            number += 1
            world.flagd.write(flags(word=f"change {number}"))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_shutdown_amid_a_hundred_changes_a_second(world: World) -> None:
    """The last one that was taken stays."""
    client = world.connect()
    with _a_hundred_changes_a_second(world):
        eventually(lambda: word(client).startswith("change"))
        shut_down(world)
        left = word(client)
        time.sleep(0.2)
        assert word(client) == left
    assert left.startswith("change")


def test_shutdown_of_child_and_parent_after_a_fork(world: World) -> None:
    """Each ends its own threads; the parent's go on when the child's have ended."""
    client = world.connect()

    def check() -> None:
        shut_down(world)
        assert word(client) == "one"

    assert in_a_child(check) == 0
    assert threads()
    world.flagd.write(TWO)
    world.wait(CHANGED)
    shut_down(world)
    assert word(client) == "two"


@pytest.mark.parametrize("state", [away, hung], ids=lambda state: state.__name__)
def test_shutdown_of_a_child_that_was_forked_while_flagd_was_gone(
    world: World, state: Callable[[World], None]
) -> None:
    """The child has opened no stream of its own yet."""
    state(world)
    assert in_a_child(lambda: shut_down(world)) == 0
    shut_down(world)


def test_shutdown_in_a_child_that_was_forked_before_the_start(world: World) -> None:
    """The parent has no provider at all."""

    def check() -> None:
        world.connect()
        shut_down(world)

    assert in_a_child(check) == 0
    assert not threads()
