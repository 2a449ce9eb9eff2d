"""SyncFlags behind the stock SDK, through each fault of flagd: what is served, and what is told.

Each fault happens to a small server that speaks flagd's protocol, and to flagd itself wherever one
is found (`FLAGD` or the PATH).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.provider import ProviderStatus

from tests.flagd_servers import flagd_binary
from tests.provider.sync_world import CHANGED, EMPTY, ERROR, READY, STALE, TWO, World, threads, word


@pytest.fixture(params=["double", "flagd"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A server that is not yet started."""
    if request.param == "flagd":
        flagd_binary()
    world = World(tmp_path / "flags.json", real=request.param == "flagd")
    yield world
    api.shutdown()
    world.flagd.kill()
    assert not threads()


def test_a_change_goes_live_and_its_keys_are_told(world: World) -> None:
    """The stream's next document replaces the one in force."""
    world.flagd.start()
    client = world.connect()
    assert word(client) == "one"
    assert client.get_provider_status() is ProviderStatus.READY
    world.flagd.write(TWO)
    assert sorted(world.wait(CHANGED).flags_changed or []) == ["other", "word"]
    assert word(client) == "two"


def test_flagd_that_is_down_at_start_makes_ready_when_it_comes(world: World) -> None:
    """Until then callers get their own default, and are told why."""
    with pytest.raises(ProviderNotReadyError, match=str(world.flagd.port)):
        world.connect(deadline_ms=200)
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.ERROR
    details = client.get_string_details("word", "own")
    assert (details.value, details.error_code) == ("own", ErrorCode.PROVIDER_NOT_READY)
    world.flagd.start()
    world.wait(READY, after=len(world.events))
    assert word(client) == "one"
    assert client.get_provider_status() is ProviderStatus.READY


def test_flagd_that_dies_goes_stale_then_error_and_comes_back(world: World) -> None:
    """Evaluation goes on with the last flags; the grace period decides what is told."""
    world.flagd.start()
    client = world.connect()
    world.flagd.kill()
    world.wait(STALE)
    assert client.get_provider_status() is ProviderStatus.STALE
    world.wait(ERROR)
    assert word(client) == "one"
    before = len(world.events)
    world.flagd.start()
    world.wait(READY, after=before)
    assert client.get_provider_status() is ProviderStatus.READY
    assert not [kind for kind, _ in world.events if kind is CHANGED]


def test_flagd_that_hangs_is_noticed(world: World) -> None:
    """A stopped process keeps its connections open: only asking tells."""
    world.flagd.start()
    client = world.connect()
    world.flagd.hang()
    told = world.wait(STALE)
    assert "does not answer" in str(told.message)
    assert word(client) == "one"
    before = len(world.events)
    world.flagd.resume()
    world.wait(READY, after=before)
    world.flagd.write(TWO)
    world.wait(CHANGED)
    assert word(client) == "two"


def test_flagd_that_restarts_with_another_file_is_followed(world: World) -> None:
    """Quicker than any back-off, and the change is told."""
    world.flagd.start()
    client = world.connect()
    world.flagd.kill()
    world.flagd.write(TWO)
    world.flagd.start()
    assert sorted(world.wait(CHANGED).flags_changed or []) == ["other", "word"]
    assert word(client) == "two"


def test_flagd_that_restarts_empty_removes_nothing(world: World) -> None:
    """An empty set is an error that is told, until flags come again."""
    world.flagd.start()
    client = world.connect()
    world.flagd.kill()
    world.flagd.write(EMPTY)
    world.flagd.start()
    assert "there are no flags" in str(world.wait(ERROR).message)
    assert client.get_provider_status() is ProviderStatus.ERROR
    assert word(client) == "one"
    world.flagd.write(TWO)
    world.wait(CHANGED)
    assert word(client) == "two"
    assert client.get_provider_status() is ProviderStatus.READY


def test_a_selector_with_a_typo_is_told(world: World) -> None:
    """The server answers it with an empty set, READY."""
    world.flagd.start()
    with pytest.raises(ProviderNotReadyError, match="selector"):
        world.connect(selector="source=nobody")
    assert word(api.get_client()) == "own"
