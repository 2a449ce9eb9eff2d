"""`service rotate-keys`, `import` and `export`, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from openfeature_triton.provider import Keyring, Registry, Service, WrongKeyError
from openfeature_triton.provider.commands import service
from openfeature_triton.provider.migration import services

SENTINEL = "s3ntinel-credential"
OLD, NEW = (Keyring.generate_key().get_secret_value() for _ in range(2))
SERVICES = (
    Service("asr-fast", "asr", "127.0.0.1:8000", "fast", "3", credential=SecretStr(SENTINEL)),
    Service("asr-open", "asr", "127.0.0.1:8000", "open"),
    Service("nmt", "nmt", "[::1]:8001", "nmt/hi", "", "grpc", "x-key", SecretStr(SENTINEL), False),
)


@pytest.fixture(autouse=True)
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry of each kind with three services, its key in the environment."""
    monkeypatch.setenv("OFT_REGISTRY", database_url)
    monkeypatch.setenv("OFT_KEYS", OLD)
    with closing(opened(database_url)) as registry:
        for each in SERVICES:
            registry.add(each, create_schema=True)
    return database_url


def opened(url: str, *keys: str) -> Registry:
    """The registry, with the old key where none is given."""
    return Registry(url, Keyring(tuple(map(SecretStr, keys or (OLD,)))))


def run(*arguments: str, given: str | None = None, code: int = 0) -> Result:
    """Type a command; nothing that it prints may hold the credential or a key."""
    result = CliRunner().invoke(service, arguments, input=given)
    assert result.exit_code == code, result.output
    for secret in (SENTINEL, OLD, NEW):
        assert secret not in result.output
    return result


def stored(url: str) -> dict[str, str | None]:
    """The ciphertexts as they are in the table."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(select(services.c.service_id, services.c.credential))
        found = {row[0]: row[1] for row in rows}
    engine.dispose()
    return found


def test_all_credentials_get_the_first_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the old key is needed no more, and nothing else has changed."""
    monkeypatch.setenv("OFT_KEYS", f"{NEW},{OLD}")
    assert json.loads(run("rotate-keys", "--json").output) == {"rotated": 2}
    with closing(opened(url, NEW)) as registry:
        assert set(registry.list()) == set(SERVICES)
    with closing(opened(url, OLD)) as registry, pytest.raises(WrongKeyError):
        registry.get("asr-fast")


def test_a_credential_that_no_key_opens_stops_the_rotation(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and no credential is changed, not even those before it."""
    other = Keyring.generate_key().get_secret_value()
    with closing(opened(url, other)) as registry:
        registry.update(replace(SERVICES[2], credential=SecretStr(SENTINEL)))
    before = stored(url)
    monkeypatch.setenv("OFT_KEYS", f"{NEW},{OLD}")
    assert "'nmt'" in run("rotate-keys", code=2).output
    assert stored(url) == before
    monkeypatch.delenv("OFT_KEYS")
    assert "keygen" in run("rotate-keys", code=2).output
    assert stored(url) == before


def test_a_rotation_that_is_killed_leaves_all_as_it_was(url: str) -> None:
    """SIGKILL between two rows; the next one goes through."""
    dies = (
        "import os, sys\n"
        "from openfeature_triton.provider import Keyring, Registry\n"
        "from pydantic import SecretStr\n"
        "rotate, seen = Keyring.rotate, []\n"
        "def dies(self, name, locked):\n"
        "    seen.append(name)\n"
        "    return os.kill(os.getpid(), 9) if len(seen) == 2 else rotate(self, name, locked)\n"
        "Keyring.rotate = dies\n"
        "Registry(sys.argv[1], Keyring(tuple(map(SecretStr, sys.argv[2:])))).rotate_keys()\n"
    )
    before = stored(url)
    done = subprocess.run([sys.executable, "-c", dies, url, NEW, OLD], check=False)
    assert done.returncode == -signal.SIGKILL
    assert stored(url) == before
    with closing(opened(url, NEW, OLD)) as registry:
        assert registry.rotate_keys() == 2


def test_readers_go_on_while_keys_are_rotated(url: str) -> None:
    """Each reading finds every credential, whichever key it is under just then."""
    done, wrong = threading.Event(), []

    def read() -> None:
        with closing(opened(url, NEW, OLD)) as registry:
            while not done.is_set():
                found = registry.load()
                if found.refused or set(found.services) != set(SERVICES):
                    wrong.append(found.refused)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for each in readers:
        each.start()
    try:
        for keys in [(NEW, OLD), (OLD, NEW)] * 10:
            with closing(opened(url, *keys)) as registry:
                assert registry.rotate_keys() == 2
    finally:
        done.set()
        for each in readers:
            each.join()
    assert wrong == []


def test_what_is_exported_can_be_imported(url: str, tmp_path: Path) -> None:
    """Into an empty registry: the same services, without their credentials."""
    exported = run("export").output
    other = f"sqlite:///{tmp_path}/other.db"
    result = run("import", "-", "--registry", other, given=exported)
    assert "without a credential: asr-fast, asr-open, nmt" in result.output
    with closing(opened(other)) as registry:
        assert registry.list() == tuple(replace(each, credential=None) for each in SERVICES)
    assert run("export", "--registry", other).output == exported
    assert json.loads(run("export", "--json").output)["services"][0]["service"] == "asr-fast"
    assert url


def test_an_import_changes_what_is_there_and_keeps_credentials(url: str, tmp_path: Path) -> None:
    """What the file does not name stays, and the credential of what it names."""
    file = tmp_path / "services.yaml"
    file.write_text(
        "services:\n"
        "  - {service: asr-fast, task: asr, url: 'other:1', model: fast, version: 3}\n"
        "  - {service: asr-open, task: asr, url: '127.0.0.1:8000', model: open}\n"
        "  - {service: tts, task: tts, url: 'h:1', published: false}\n"
    )
    done = json.loads(run("import", str(file), "--json").stdout)
    assert done["services"] == {"asr-fast": "changed", "asr-open": "same", "tts": "added"}
    with closing(opened(url)) as registry:
        assert registry.get("asr-fast") == replace(SERVICES[0], url="other:1")
        assert registry.get("nmt") == SERVICES[2]
        assert registry.get("tts").published is False
    again = json.loads(run("import", str(file), "--json").stdout)
    assert set(again["services"].values()) == {"same"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no list `services`"),
        ("services: 3", "no list `services`"),
        ("services: []\nmore: 1", "no list `services`"),
        ("services:\n - asr-fast", "line 2: this is no service"),
        ("services:\n - {service: a, task: asr, url: 'h:1'}\n - {service: b}", "line 3: `task`"),
        ("services:\n - {service: a, task: asr, url: 'h:1', modle: b}", "write `model`"),
        ("services:\n - {service: a, task: asr, url: 'h:1', credential: s3ntinel-credential}",
         "a credential has no place"),
        ("services:\n - {service: 7, task: asr, url: 'h:1'}", "`service` must be a text"),
        ("services:\n - {service: a, task: asr, url: 'h:1', published: yes}", "true or false"),
        ("services:\n - {service: a, task: asr, url: 'http://h:1'}", "line 2: service 'a': url"),
        ("services:\n - {service: a, task: asr, url: 'h:1'}\n - {service: a, task: b, url: 'h:1'}",
         "line 3: service 'a' stands there twice"),
        (f"services:\n - {{service: {'a' * 201}, task: asr, url: 'h:1'}}", "longer than 200"),
        ("services: [", "this is not YAML"),
        ("services: &a [*a]", "line"),
    ],
)  # fmt: skip
def test_a_file_with_one_mistake_changes_nothing(url: str, text: str, said: str) -> None:
    """Whatever stands before the mistake; one line says where it is."""
    good = " - {service: new, task: asr, url: 'h:1'}\n"
    text = text.replace("services:\n", f"services:\n{good}") if "services:\n" in text else text
    said = said.replace("line 3", "line 4").replace("line 2", "line 3") if good in text else said
    before = run("export").output
    result = run("import", "-", given=text, code=2)
    assert said in result.output
    assert result.output.count("\n") == 1
    assert run("export").output == before
    assert url


@pytest.mark.parametrize(
    "change",
    [
        {"model_version": "1e3"},
        {"model_version": "0x10"},
        {"model_version": "007"},
        {"task_type": "no"},
        {"task_type": "null"},
        {"task_type": "~"},
        {"model_name": "2026-11-26"},
        {"model_name": "a: b # c"},
        {"model_name": "हिन्दी \U0001f600"},
        {"model_name": "'\"\\"},
        {"model_name": "x" * 200},
    ],
)
def test_any_text_comes_back_as_it_was(url: str, change: dict[str, str]) -> None:
    """Texts that look like numbers, dates, constants or syntax."""
    odd = replace(SERVICES[1], **change)  # type: ignore[arg-type]
    with closing(opened(url)) as registry:
        registry.update(odd)
        exported = run("export").output
        registry.update(SERVICES[1])
        run("import", "-", given=exported)
        assert registry.get("asr-open") == odd


def test_the_life_of_a_service_by_commands(url: str) -> None:
    """Added, changed, unpublished, removed: on each kind of database."""
    where = ["--task", "ocr", "--url", "h:1", "--credential-file", "-"]
    run("add", "ocr", *where, given=SENTINEL)
    run("add", "ocr", *where, given=SENTINEL, code=2)
    run("set", "ocr", "--url", "h:2", "--protocol", "grpc")
    run("unpublish", "ocr")
    shown = json.loads(run("show", "ocr", "--json").output)[0]
    assert (shown["url"], shown["published"]) == ("h:2", False)
    assert shown["credential"] == "in authorization"
    run("publish", "ocr")
    assert [each["service"] for each in json.loads(run("list", "--json").output)] == [
        "asr-fast", "asr-open", "nmt", "ocr",
    ]  # fmt: skip
    run("remove", "ocr")
    run("show", "ocr", code=2)
    assert url
