"""Faults of a registry on a real PostgreSQL: requests go on by what was known; counters tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import ProviderStatus
from pydantic import SecretStr

from openfeature_triton.provider import (
    Experiments,
    Keyring,
    ProviderSettings,
    Registry,
    RegistryUnavailableError,
    RouteReason,
    Service,
    ServiceCache,
    TritonProvider,
    service_cache,
)
from tests.integration.test_faults import SOON_S
from tests.provider import endpoints
from tests.provider.endpoints import ask, http_endpoint
from tests.provider.test_experiments import ASKED, OWN, write_flags
from tests.provider.test_service_cache import until
from tests.store_servers import PostgresServer, running_postgres

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("postgres")]

UNREAD = "the registry could not be read; the last known services stay"


@dataclass
class World:
    """A service whose registry is on PostgreSQL; everybody is assigned to `asr-fast`."""

    settings: ProviderSettings
    experiments: Experiments
    database: str

    def connect(self, name: str = "") -> psycopg.Connection[tuple[object, ...]]:
        """As an operator, to the registry's database or another."""
        url = self.database.replace("postgresql+psycopg", "postgresql")
        where = url.rpartition("/")[0] + f"/{name}" if name else url
        return psycopg.connect(where, autocommit=True)

    def infer(self) -> float:
        """One request."""
        with self.experiments.infer("asr", **ASKED) as call:
            return ask(call)

    def reads(self) -> dict[str, int]:
        """How reading the registry went, so often."""
        provider = api.get_client().provider
        assert isinstance(provider, TritonProvider)
        assert isinstance(provider.services, ServiceCache)
        return dict(provider.services.counts())

    def until_counted(self, name: str) -> None:
        """Wait for one more count of what the cache tells."""
        before, end_s = self.reads().get(name, 0), time.monotonic() + 2 * SOON_S
        while self.reads().get(name, 0) <= before:
            assert time.monotonic() < end_s, self.reads()
            time.sleep(0.02)

    def assert_answers(self) -> None:
        """Requests are answered at once, by the assigned service."""
        started_s = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(self.infer) for _ in range(100)]
            assert {each.result() for each in found} == {2.0}
        assert time.monotonic() - started_s < SOON_S
        assert self.experiments.route("asr", **ASKED).service_id == "asr-fast"


@contextmanager
def running_world(server: PostgresServer, folder: Path) -> Iterator[World]:
    """A whole service but for its store."""
    with ExitStack() as stack:
        url = stack.enter_context(http_endpoint(endpoints.answers())).url
        database = server.new_database()
        split = {"fractional": [["control", 0], ["treatment", 1]]}
        settings = ProviderSettings(
            flags=str(write_flags(folder / "flags.json", one={"targeting": split})),
            registry=SecretStr(database),
            keys=Keyring.generate_key(),
            registry_ttl_s=0.05,
        )
        with closing(Registry(settings.registry, Keyring((settings.keys,)))) as registry:
            registry.create_schema()
            for name in (OWN, "asr-fast"):
                registry.add(Service(name, "asr", url, name, credential=SecretStr("secret")))
        api.set_provider_and_wait(TritonProvider.open(settings))
        experiments = Experiments(api.get_client(), settings=settings)
        stack.callback(experiments.close)
        yield World(settings, experiments, database)


@pytest.fixture
def world(postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
    """A service whose registry is on the server that all tests share."""
    with running_world(postgres, tmp_path) as made:
        yield made


def test_a_lock_on_the_table_holds_nobody_up(world: World) -> None:
    """While a migration, say, keeps readers out, the last known services stay; then it goes on."""
    with world.connect() as operator, operator.transaction():
        operator.execute("LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
        world.assert_answers()
        world.until_counted(UNREAD)
        world.assert_answers()
    world.until_counted("registry_read")


def test_a_lock_at_the_start_is_said_in_bounded_time(world: World) -> None:
    """A service that starts meanwhile is told, and is ready once it can read."""
    api.shutdown()
    with world.connect() as operator, operator.transaction():
        operator.execute("LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
        started_s = time.monotonic()
        with pytest.raises(RegistryUnavailableError, match="lock timeout"):
            api.set_provider_and_wait(TritonProvider.open(world.settings))
        assert time.monotonic() - started_s < 2 * SOON_S
        assert world.experiments.route("asr", **ASKED).reason is RouteReason.UNKNOWN_SERVICE
    world.until_counted("registry_read")
    world.assert_answers()


def test_a_database_that_is_stopped_leaves_what_was_known(world: World) -> None:
    """Its connections are cut and no new one is let in; then it is back."""
    name = world.database.rpartition("/")[2]
    with world.connect("postgres") as operator:
        operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        world.until_counted(UNREAD)
        world.assert_answers()
        operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    world.until_counted("registry_read")
    world.assert_answers()


def test_a_server_that_hangs_holds_no_request_up(
    world: World, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes are stopped while the registry is read; then they go on, and so does it."""
    monkeypatch.setattr(service_cache, "_ANSWER_S", 0.5)
    with postgres.hung():
        world.until_counted(UNREAD)
        world.until_counted(UNREAD)
        world.assert_answers()
        assert len(readers()) == 1, "each look has left a thread behind"
    world.until_counted("registry_read")
    world.assert_answers()


def test_a_server_that_hangs_at_the_start_is_said_in_bounded_time(
    world: World, postgres: PostgresServer
) -> None:
    """It is stopped in the middle of an answer, where no time-out of the driver helps."""
    api.shutdown()
    with ExitStack() as stack:
        operator = stack.enter_context(world.connect())
        stack.enter_context(operator.transaction())
        operator.execute("LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
        provider = TritonProvider.open(world.settings)
        starting = stack.enter_context(ThreadPoolExecutor(1)).submit(
            api.set_provider_and_wait, provider
        )
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        until(lambda: operator.execute(waits).fetchone() == (1,))
        with postgres.hung():
            started_s = time.monotonic()
            with pytest.raises(RegistryUnavailableError, match="has not answered for 15 s"):
                starting.result(4 * SOON_S)
            assert time.monotonic() - started_s < 15 + SOON_S
            assert world.experiments.route("asr", **ASKED).reason is RouteReason.UNKNOWN_SERVICE
    world.until_counted("registry_read")
    world.assert_answers()
    until(lambda: api.get_client().get_provider_status() is ProviderStatus.READY)


def test_a_server_that_hangs_from_the_first_is_said_in_bounded_time(
    world: World, postgres: PostgresServer
) -> None:
    """It takes a connection, as its kernel does that for it, and says nothing."""
    api.shutdown()
    with postgres.hung():
        started_s = time.monotonic()
        with pytest.raises(RegistryUnavailableError):
            api.set_provider_and_wait(TritonProvider.open(world.settings))
        assert time.monotonic() - started_s < 15 + SOON_S
    world.until_counted("registry_read")
    world.assert_answers()


def test_a_server_that_is_killed_leaves_what_was_known(
    postgres_programs: Path, tmp_path: Path
) -> None:
    """And is read again once it is back."""
    with (
        running_postgres(postgres_programs) as server,
        running_world(server, tmp_path) as world,
    ):
        server.stop(kill=True)
        world.until_counted(UNREAD)
        world.assert_answers()
        started_s = time.monotonic()
        another = TritonProvider.open(world.settings)
        with pytest.raises(RegistryUnavailableError, match="refused"):
            another.initialize(EvaluationContext())
        assert time.monotonic() - started_s < SOON_S
        another.shutdown()
        server.start()
        world.until_counted("registry_read")
        world.assert_answers()
        api.shutdown()


def readers() -> list[threading.Thread]:
    """The threads that read a registry at present."""
    return [each for each in threading.enumerate() if each.name == "oft-registry"]


def test_a_row_that_is_deleted_sends_requests_home(world: World) -> None:
    """The assigned service's row goes while requests run: none fails, and the reason is counted."""
    with ThreadPoolExecutor(4) as pool, world.connect() as operator:
        before = [pool.submit(world.infer) for _ in range(200)]
        operator.execute("DELETE FROM services WHERE service_id = 'asr-fast'")
        world.until_counted("registry_read")
        world.until_counted("registry_read")
        after = [pool.submit(world.infer) for _ in range(20)]
        assert {each.result() for each in (*before, *after)} == {2.0}
    assert world.experiments.counts()["unknown_service"] >= 20
    assert world.experiments.route("asr", **ASKED).reason is RouteReason.UNKNOWN_SERVICE
