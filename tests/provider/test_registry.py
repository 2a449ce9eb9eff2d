"""Registry on real SQLite files: services in and out, and each way in which it can't be had."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.provider import (
    InvalidServiceError,
    Keyring,
    MissingKeyError,
    NotARegistryError,
    Registry,
    RegistryError,
    RegistryUnavailableError,
    Service,
    ServiceExistsError,
    UnknownServiceError,
    WrongKeyError,
)

SENTINEL = "s3ntinel-credential"
SERVICE = Service(
    service_id="asr-fast",
    task_type="asr",
    url="127.0.0.1:8000",
    model_name="asr_fast",
    model_version="3",
    credential=SecretStr(SENTINEL),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the registry lies."""
    return tmp_path / "registry.db"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    """An empty registry with a key."""
    registry = Registry(f"sqlite:///{path}", Keyring((Keyring.generate_key(),)))
    registry.create_schema()
    yield registry
    registry.close()


def test_a_service_comes_back_as_it_went_in(registry: Registry) -> None:
    """All fields survive, the credential too."""
    registry.add(SERVICE)
    found = registry.get("asr-fast")
    assert found == SERVICE
    assert found.credential is not None
    assert found.credential.get_secret_value() == SENTINEL


def test_the_file_does_not_hold_the_credential(registry: Registry, path: Path) -> None:
    """It is encrypted at rest, in the database and in its write-ahead log."""
    registry.add(SERVICE)
    held = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"asr_fast" in held
    assert SENTINEL.encode() not in held


def test_services_are_listed_by_task_and_id(registry: Registry) -> None:
    """The order is the same for everybody."""
    for task, name in (("nmt", "b"), ("asr", "z"), ("asr", "a")):
        registry.add(replace(SERVICE, service_id=name, task_type=task))
    assert [each.service_id for each in registry.list()] == ["a", "z", "b"]


def test_update_publish_and_remove(registry: Registry) -> None:
    """The life of a row."""
    registry.add(SERVICE)
    registry.update(replace(SERVICE, model_version="4", credential=None))
    registry.publish("asr-fast", published=False)
    found = registry.get("asr-fast")
    assert (found.model_version, found.credential, found.published) == ("4", None, False)
    registry.remove("asr-fast")
    assert registry.list() == ()


def test_an_unknown_service_is_named(registry: Registry) -> None:
    """Every operation on a service that is not there says so."""
    for operation in (registry.get, registry.remove, registry.publish):
        with pytest.raises(UnknownServiceError, match="ghost"):
            operation("ghost")
    with pytest.raises(UnknownServiceError, match="ghost"):
        registry.update(replace(SERVICE, service_id="ghost"))


def test_a_second_service_of_one_id_is_refused(registry: Registry) -> None:
    """What is there stays as it is."""
    registry.add(SERVICE)
    with pytest.raises(ServiceExistsError, match="asr-fast") as caught:
        registry.add(replace(SERVICE, url="other:1"))
    assert SENTINEL not in str(caught.value)
    assert registry.get("asr-fast").url == SERVICE.url


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"service_id": ""}, "service_id"),
        ({"task_type": " asr"}, "task_type"),
        ({"model_name": "a\nb"}, "model_name"),
        ({"protocol": "ftp"}, "protocol"),
        ({"url": "http://127.0.0.1:8000"}, "url"),
        ({"url": "127.0.0.1"}, "url"),
        ({"credential_header": "x: y"}, "credential_header"),
        ({"credential": SecretStr(f"{SENTINEL}\r\nx: y")}, "credential"),
        ({"credential": SecretStr(f"{SENTINEL}ñ")}, "credential"),
        ({"credential": SecretStr("")}, "credential"),
    ],
)
def test_what_cannot_work_is_refused_by_field(
    registry: Registry, change: dict[str, object], field: str
) -> None:
    """A bad field is named with its service; a credential is never shown."""
    with pytest.raises(InvalidServiceError, match=field) as caught:
        registry.add(replace(SERVICE, **change))  # type: ignore[arg-type]
    assert SENTINEL not in str(caught.value)
    assert registry.list() == ()


def test_a_wrong_key_says_which_service(registry: Registry, path: Path) -> None:
    """Reading with another key than the one it was added with is an error, not an empty value."""
    registry.add(SERVICE)
    other = Registry(f"sqlite:///{path}", Keyring((Keyring.generate_key(),)))
    with pytest.raises(WrongKeyError, match="asr-fast"):
        other.get("asr-fast")
    other.close()


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path) -> None:
    """It is refused by name, and not written to."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk" * 100)
    registry = Registry(f"sqlite:///{path}", Keyring())
    for operation in (registry.list, registry.require, registry.create_schema):
        with pytest.raises(NotARegistryError, match=r"notes\.txt"):
            operation()
    registry.close()
    assert path.read_text() == "remember the milk" * 100


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    """A database without our table is no registry."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    registry = Registry(f"sqlite:///{path}", Keyring())
    with pytest.raises(NotARegistryError, match="holds no registry"):
        registry.require()
    with pytest.raises(NotARegistryError, match="holds no registry"):
        registry.list()
    registry.close()


def test_looking_for_a_registry_creates_nothing(path: Path) -> None:
    """A wrong path is an error and leaves no empty file behind."""
    registry = Registry(f"sqlite:///{path}", Keyring())
    with pytest.raises(NotARegistryError, match="no registry"):
        registry.require()
    assert not path.exists()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite:////no/such/folder/registry.db",
        "postgresql+psycopg://user:s3ntinel@127.0.0.1:1/db",
        "unknown://x",
    ],
)
def test_an_unreachable_registry_is_said_without_its_password(url: str) -> None:
    """Whatever the driver says, the message is one line and shows no secret."""
    with pytest.raises(RegistryError) as caught:
        Registry(url, Keyring()).create_schema()
    assert isinstance(caught.value, RegistryUnavailableError)
    assert "s3ntinel" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_threads_write_at_once(registry: Registry) -> None:
    """Writers wait for each other rather than fail."""
    failures: list[Exception] = []

    def add(number: int) -> None:
        try:
            registry.add(replace(SERVICE, service_id=f"s{number}"))
        except RegistryError as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(registry.list()) == 16


def other_key(path: Path) -> Registry:
    """The same file, opened with another key."""
    return Registry(f"sqlite:///{path}", Keyring((Keyring.generate_key(),)))


def test_one_row_under_another_key_costs_only_itself(registry: Registry, path: Path) -> None:
    """A row that was left behind by a rotation does not take the other services away."""
    registry.add(SERVICE)
    other = other_key(path)
    other.add(replace(SERVICE, service_id="asr-odd"))
    loaded = registry.load()
    assert [each.service_id for each in loaded.services] == ["asr-fast"]
    assert ["asr-odd" in str(each) for each in loaded.refused] == [True]


def test_a_key_that_opens_nothing_is_the_wrong_key(registry: Registry, path: Path) -> None:
    """Then loading fails as a whole, so that the last known services stay."""
    registry.add(SERVICE)
    registry.add(replace(SERVICE, service_id="asr-open", credential=None))
    with pytest.raises(WrongKeyError, match="asr-fast"):
        other_key(path).load()


def test_records_need_no_key(registry: Registry, path: Path) -> None:
    """Who looks at services, or publishes them, need not be able to open their credentials."""
    registry.add(SERVICE)
    keyless = Registry(f"sqlite:///{path}", Keyring())
    keyless.publish("asr-fast", published=False)
    record = keyless.record("asr-fast")
    assert record.has_credential
    assert record.service == replace(SERVICE, credential=None, published=False)
    keyless.update(replace(record.service, url="127.0.0.1:9000"), keep_credential=True)
    assert registry.get("asr-fast") == replace(SERVICE, url="127.0.0.1:9000", published=False)


def test_a_file_put_in_the_place_of_another_is_seen(registry: Registry, path: Path) -> None:
    """A registry that is restored or deployed by a rename reaches those who have it open."""
    assert registry.list() == ()
    newer = path.with_name("newer.db")
    made = Registry(f"sqlite:///{newer}", Keyring())
    made.add(replace(SERVICE, credential=None), create_schema=True)
    made.close()
    newer.replace(path)
    assert [each.service_id for each in registry.list()] == ["asr-fast"]


def test_a_file_that_goes_away_is_not_made_anew(registry: Registry, path: Path) -> None:
    """SQLite would leave an empty file that hides what happened."""
    path.unlink()
    for ask in (registry.list, registry.load, lambda: registry.remove("asr-fast")):
        with pytest.raises(NotARegistryError, match="no registry"):
            ask()
    assert not path.exists()


def test_a_service_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    """Neither for a field that can't work nor for want of a key."""
    path = tmp_path / "new.db"
    keyless = Registry(f"sqlite:///{path}", Keyring())
    with pytest.raises(InvalidServiceError, match="url"):
        keyless.add(replace(SERVICE, url="h:99999"), create_schema=True)
    with pytest.raises(MissingKeyError):
        keyless.add(SERVICE, create_schema=True)
    assert not path.exists()
