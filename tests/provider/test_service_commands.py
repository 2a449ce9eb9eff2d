"""`openfeature-triton service`: what an operator types, and reads when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openfeature_triton.provider import Keyring
from openfeature_triton.provider.commands import service

SENTINEL = "s3ntinel-credential"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with a key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OFT_KEYS", Keyring.generate_key().get_secret_value())
    monkeypatch.delenv("OFT_REGISTRY", raising=False)
    return tmp_path


def run(*arguments: str, given: str | None = None) -> Result:
    """Type a command; nothing that it prints may hold the credential."""
    result = CliRunner().invoke(service, arguments, input=given)
    assert SENTINEL not in result.output
    return result


def add(*more: str, given: str | None = SENTINEL) -> Result:
    """Add the service that most tests work on, its credential from standard input."""
    return run(
        "add", "asr-fast", "--task", "asr", "--url", "127.0.0.1:8000", "--credential-file", "-",
        *more, given=given,
    )  # fmt: skip


def listed() -> list[dict[str, object]]:
    """Read all services as a script would."""
    result = run("list", "--json")
    assert result.exit_code == 0
    found: list[dict[str, object]] = json.loads(result.output)
    return found


@pytest.mark.usefixtures("folder")
def test_a_service_is_added_changed_published_and_removed() -> None:
    """The operator's whole way, by names alone."""
    assert add("--unpublished").exit_code == 0
    assert listed() == [
        {
            "service": "asr-fast",
            "task": "asr",
            "protocol": "http",
            "url": "127.0.0.1:8000",
            "model": "asr-fast",
            "version": "latest",
            "credential": "in authorization",
            "published": False,
        }
    ]
    assert run("publish", "asr-fast").exit_code == 0
    assert run("set", "asr-fast", "--version", "2", "--url", "h:1").exit_code == 0
    changed = listed()[0]
    assert (changed["version"], changed["url"], changed["published"]) == ("2", "h:1", True)
    assert run("unpublish", "asr-fast").exit_code == 0
    assert "no" in run("show", "asr-fast").output
    assert run("remove", "asr-fast").exit_code == 0
    assert listed() == []


@pytest.mark.usefixtures("folder")
def test_a_credential_can_be_typed() -> None:
    """The prompt hides it."""
    arguments = ["add", "a", "--task", "asr", "--url", "h:1", "--ask-credential"]
    assert run(*arguments, given=f"{SENTINEL}\n").exit_code == 0
    assert listed()[0]["credential"] == "in authorization"


def test_a_failing_command_says_why_and_ends_with_2(folder: Path) -> None:
    """One line, what is wrong and what to do, and nothing half-written."""
    missing = run("list")
    assert missing.exit_code == 2
    assert "no registry" in missing.output
    assert not list(folder.iterdir())
    broken = add(given=f"{SENTINEL}\nx: y")
    assert broken.exit_code == 2
    assert "credential" in broken.output
    assert not list(folder.iterdir())
    assert add().exit_code == 0
    again = add()
    assert again.exit_code == 2
    assert "service set asr-fast" in again.output
    unknown = run("show", "ghost")
    assert unknown.exit_code == 2
    assert "'ghost'" in unknown.output


def test_a_wrong_key_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key in the environment is told from a missing service."""
    assert add().exit_code == 0
    monkeypatch.setenv("OFT_KEYS", Keyring.generate_key().get_secret_value())
    wrong = run("list")
    assert wrong.exit_code == 2
    assert "OFT_KEYS" in wrong.output
    monkeypatch.setenv("OFT_KEYS", "typing error")
    malformed = run("list")
    assert malformed.exit_code == 2
    assert "keygen" in malformed.output
    assert folder.exists()


def test_looking_and_publishing_need_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who sets or uses a credential needs the key."""
    assert folder
    assert add().exit_code == 0
    monkeypatch.delenv("OFT_KEYS")
    for command in (("list",), ("show", "asr-fast"), ("unpublish", "asr-fast")):
        assert run(*command).exit_code == 0
    assert run("set", "asr-fast", "--version", "2").exit_code == 0
    assert listed()[0]["version"] == "2"
    assert listed()[0]["credential"] == "in authorization"


def test_a_lost_key_is_mended_by_setting_the_credential(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the message about a wrong key advises."""
    assert folder
    assert add().exit_code == 0
    monkeypatch.setenv("OFT_KEYS", Keyring.generate_key().get_secret_value())
    assert run("set", "asr-fast", "--credential-file", "-", given=SENTINEL).exit_code == 0


def test_a_credential_that_is_not_text_is_refused(folder: Path) -> None:
    """A binary file was named by mistake; nothing is written."""
    (folder / "key").write_bytes(b"\xff\xfe" + SENTINEL.encode())
    result = run(
        "add", "a", "--task", "asr", "--url", "h:1", "--credential-file", str(folder / "key")
    )
    assert result.exit_code == 2
    assert "not UTF-8" in result.output
    assert not (folder / "registry.db").exists()


def test_a_bad_setting_is_named_and_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable's name leads to it; its value might be a secret."""
    assert folder
    monkeypatch.setenv("OFT_REGISTRY_TTL_S", SENTINEL)
    result = run("list")
    assert result.exit_code == 2
    assert "registry_ttl_s" in result.output
