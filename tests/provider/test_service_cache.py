"""ServiceCache: fresh while the registry answers, last known while it does not."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.provider import (
    Keyring,
    NotARegistryError,
    Registry,
    Service,
    ServiceCache,
)

SERVICE = Service("asr-fast", "asr", "127.0.0.1:8000", "asr_fast")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the registry lies."""
    return tmp_path / "registry.db"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    """The operator's registry, with one service."""
    registry = Registry(f"sqlite:///{path}", Keyring())
    registry.create_schema()
    registry.add(SERVICE)
    yield registry
    registry.close()


@pytest.fixture
def cache(registry: Registry, path: Path) -> Iterator[ServiceCache]:
    """The service's cache over the same file, started."""
    assert registry
    cache = ServiceCache(Registry(f"sqlite:///{path}", Keyring()), ttl_s=0.02)
    cache.start()
    yield cache
    cache.close()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another thread does; at most ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "waited ten seconds in vain"
        time.sleep(0.01)


def test_services_are_there_after_start(cache: ServiceCache) -> None:
    """The first request finds its service; an unknown one is None."""
    assert cache.get("asr-fast") == SERVICE
    assert cache.get("ghost") is None
    age_s = cache.age_s()
    assert age_s is not None
    assert age_s >= 0


def test_a_change_arrives_within_the_ttl(cache: ServiceCache, registry: Registry) -> None:
    """An operator's edit reaches running services without a restart."""
    registry.update(replace(SERVICE, model_version="9"))
    until(lambda: getattr(cache.get("asr-fast"), "model_version", "") == "9")
    registry.remove("asr-fast")
    until(lambda: cache.get("asr-fast") is None)


def test_the_last_known_services_stay_while_the_registry_is_away(
    cache: ServiceCache, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that breaks is counted and said once; requests notice nothing."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE services")
    connection.close()
    trouble = "the registry could not be read; the last known services stay"
    until(lambda: cache.counts().get(trouble, 0) >= 3)
    assert cache.get("asr-fast") == SERVICE
    assert sum(trouble in record.getMessage() for record in caplog.records) == 1


def test_a_registry_that_is_not_there_is_an_error_at_start(tmp_path: Path) -> None:
    """A wrong path is told to who sets the service up, not to its users."""
    cache = ServiceCache(Registry(f"sqlite:///{tmp_path}/none.db", Keyring()))
    with pytest.raises(NotARegistryError, match=r"none\.db"):
        cache.start()
    cache.close()


def test_a_registry_that_comes_later_is_read_then(path: Path) -> None:
    """Nobody has to start the service again; who waits for it is told."""
    told: list[bool] = []
    cache = ServiceCache(Registry(f"sqlite:///{path}", Keyring()), ttl_s=0.02)
    with pytest.raises(NotARegistryError):
        cache.start(lambda: told.append(True))
    assert cache.get("asr-fast") is None
    Registry(f"sqlite:///{path}", Keyring()).add(SERVICE, create_schema=True)
    until(lambda: cache.get("asr-fast") == SERVICE)
    until(lambda: told == [True])
    cache.close()


def test_forks_wait_for_a_read_to_end(cache: ServiceCache) -> None:
    """SQLite is never in the middle of something when a child is made; many children can read."""
    for _ in range(20):
        child = os.fork()
        if child == 0:  # pragma: no cover - the child's lines are not measured
            signal.alarm(20)
            cache._read()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    reads = cache.counts()["registry_read"]
    until(lambda: cache.counts()["registry_read"] > reads)


def test_a_forked_child_reads_the_registry_itself(cache: ServiceCache, registry: Registry) -> None:
    """A worker forked after the preload sees later edits, with connections of its own."""
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        try:
            until(lambda: getattr(cache.get("asr-fast"), "model_version", "") == "7")
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must end here
            os._exit(1)
    registry.update(replace(SERVICE, model_version="7"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    until(lambda: getattr(cache.get("asr-fast"), "model_version", "") == "7")


def test_a_credential_that_cannot_be_opened_costs_only_its_service(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are served; the log names the one that is left out."""
    keys = [Keyring((Keyring.generate_key(),)) for _ in range(2)]
    for service_id, keyring in zip(("good", "odd"), keys, strict=True):
        service = replace(SERVICE, service_id=service_id, credential=SecretStr("k"))
        Registry(f"sqlite:///{path}", keyring).add(service, create_schema=True)
    cache = ServiceCache(Registry(f"sqlite:///{path}", keys[0]))
    cache.start()
    assert cache.get("good") is not None
    assert cache.get("odd") is None
    assert "'odd'" in caplog.text
    cache.close()
