"""SyncFlags while flagd is away for a minute, changes all the time, or is there twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.provider import ProviderStatus

from tests.flagd_servers import eventually, flagd_binary
from tests.provider.sync_world import (
    CHANGED,
    ERROR,
    READY,
    STALE,
    TWO,
    World,
    flags,
    threads,
    word,
)

AWAY_S = 60.0
BACK_WITHIN_S = 5.0  # 1 s by design; the rest is for a busy machine

_log = logging.getLogger(__name__)


@pytest.fixture(params=["double", "flagd"])
def real(request: pytest.FixtureRequest) -> bool:
    """Whether the servers are flagd itself."""
    if request.param == "flagd":
        flagd_binary()
    return bool(request.param == "flagd")


@pytest.fixture
def world(tmp_path: Path, real: bool) -> Iterator[World]:
    """A server that is started."""
    world = World(tmp_path / "flags.json", real=real)
    world.flagd.start()
    yield world
    api.shutdown()
    world.flagd.kill()
    assert not threads()


@contextmanager
def _steady(client: OpenFeatureClient) -> Iterator[list[Any]]:
    """A thread that asks a thousand times a second; gives all that it was told."""
    stop, told = threading.Event(), []

    def ask() -> None:
        while not stop.wait(0.001):
            told.append(client.get_string_details("word", "own"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield told
    finally:
        stop.set()
        asking.join()


@pytest.mark.slow
def test_a_minute_without_flagd_costs_no_answer(world: World) -> None:
    """STALE, then ERROR, nothing else; with flagd the changed flags are back at once."""
    client = world.connect()
    before = len(world.events)
    with _steady(client) as told:
        world.flagd.kill()
        gone_s = time.monotonic()
        world.wait(STALE, after=before)
        lost = len(world.events)
        assert client.get_provider_status() is ProviderStatus.STALE
        world.wait(ERROR, after=lost)
        assert client.get_provider_status() is ProviderStatus.ERROR
        time.sleep(AWAY_S - (time.monotonic() - gone_s))
        assert [kind for kind, _ in world.events[lost:]] == [ERROR]
        assert client.get_provider_status() is ProviderStatus.ERROR
        assert world.provider is not None
        assert (world.provider.flags_age_s or 0.0) > AWAY_S - 2.0
        asked = len(told)
        world.flagd.write(TWO)
        world.flagd.start()
        listens_s = time.monotonic()
        eventually(lambda: word(client) == "two")
        back_s = time.monotonic() - listens_s
    _log.info("%d answers while flagd was away; back after %.2f s", asked, back_s)
    assert asked > 1_000
    assert {(each.value, each.error_code) for each in told[:asked]} == {("one", None)}
    assert {(each.value, each.error_code) for each in told} == {("one", None), ("two", None)}
    assert back_s < BACK_WITHIN_S
    assert world.wait(CHANGED, after=lost).flags_changed == ["other", "word"]
    world.wait(READY, after=lost)
    assert client.get_provider_status() is ProviderStatus.READY
    assert (world.provider.flags_age_s or AWAY_S) < BACK_WITHIN_S


@pytest.mark.slow
def test_a_hundred_changes_a_second_end_in_the_last_one(world: World) -> None:
    """Ten seconds of it: the newest document wins, nothing piles up, and no answer is an error."""
    client = world.connect()
    stop_s, number = time.monotonic() + 10.0, 0
    with _steady(client) as told:
        while time.monotonic() < stop_s:
            number += 1
            world.flagd.write(flags(word=f"change {number}"))
            time.sleep(0.01)
        ended_s = time.monotonic()
        eventually(lambda: word(client) == f"change {number}")
        behind_s = time.monotonic() - ended_s
    _log.info("%d changes, the last one in force after %.2f s", number, behind_s)
    assert behind_s < BACK_WITHIN_S
    assert {each.error_code for each in told} == {None}
    assert client.get_provider_status() is ProviderStatus.READY


@pytest.fixture
def other(tmp_path: Path, real: bool) -> Iterator[World]:
    """Another server, with other flags."""
    other = World(tmp_path / "other.json", real=real)
    other.flagd.write(TWO)
    other.flagd.start()
    yield other
    api.shutdown()
    other.flagd.kill()


def test_two_providers_in_one_process_leave_each_other_alone(world: World, other: World) -> None:
    """Each has its own server, flags and fate."""
    one, two = world.connect(domain="one"), other.connect(domain="two")
    assert (word(one), word(two)) == ("one", "two")
    world.flagd.kill()
    world.wait(STALE)
    assert one.get_provider_status() is ProviderStatus.STALE
    assert two.get_provider_status() is ProviderStatus.READY
    other.flagd.write(flags(word="three"))
    other.wait(CHANGED)
    assert (word(one), word(two)) == ("one", "three")
    assert {STALE, ERROR}.isdisjoint(kind for kind, _ in other.events)


def test_the_end_of_one_provider_is_not_that_of_the_other(world: World, other: World) -> None:
    """Its threads end, the other's go on, and so do the other's flags."""
    one, two = world.connect(domain="one"), other.connect(domain="two")
    both = len(threads())
    assert world.provider is not None
    world.provider.shutdown()
    assert len(threads()) == both // 2
    other.flagd.write(flags(word="three"))
    other.wait(CHANGED)
    assert (word(one), word(two)) == ("one", "three")
    assert other.provider is not None
    other.provider.shutdown()
    assert not threads()
