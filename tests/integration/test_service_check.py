"""`service check` against a real Triton, over HTTP and gRPC, and whatever else may answer there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.provider import Keyring, Registry, Service
from openfeature_triton.provider.commands import service
from openfeature_triton.provider.readiness import ADVICE
from tests import servers
from tests.provider import endpoints

pytestmark = pytest.mark.integration

KEY = Keyring.generate_key()


@pytest.fixture(scope="module")
def triton() -> Iterator[RunningTriton]:
    """A Triton with one model."""
    with servers.triton(servers.deterministic_model("echo", "echo")) as running:
        yield running


@pytest.fixture(params=["http", "grpc"])
def good(request: pytest.FixtureRequest, triton: RunningTriton) -> Service:
    """A service that is all right."""
    url = triton.http_url if request.param == "http" else triton.grpc_url
    key = SecretStr(servers.CREDENTIAL)
    return Service("good", "asr", url, "echo", protocol=request.param, credential=key)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry that the commands find."""
    monkeypatch.setenv("OFT_KEYS", KEY.get_secret_value())
    monkeypatch.setenv("OFT_REGISTRY", f"sqlite:///{tmp_path}/registry.db")
    with closing(Registry(f"sqlite:///{tmp_path}/registry.db", Keyring((KEY,)))) as registry:
        registry.create_schema()
        yield registry


def check(*arguments: str) -> Result:
    """Type the command; the credential is never seen."""
    result = CliRunner().invoke(service, ["check", *arguments])
    assert servers.CREDENTIAL not in result.output
    return result


def states(*arguments: str) -> dict[str, str]:
    """What it says of each service."""
    return {each["service"]: each["state"] for each in json.loads(check(*arguments).output)}


def test_each_kind_of_trouble_has_its_word(registry: Registry, good: Service) -> None:
    """All in one run, side by side."""
    stranger = Keyring((Keyring.generate_key(),))
    with (
        endpoints.http_endpoint(endpoints.stays_silent) as silent,
        endpoints.http_endpoint(endpoints.drips) as drips,
        endpoints.http_endpoint(endpoints.HTML_500) as html,
        closing(Registry(registry.name, stranger)) as other,
    ):
        wanted: dict[str, tuple[dict[str, Any], str]] = {
            "good": ({}, "ready"),
            "version": ({"model_version": "1"}, "ready"),
            "no-version": ({"model_version": "9"}, "unknown model"),
            "no-model": ({"model_name": "nix"}, "unknown model"),
            "bad-key": ({"credential": SecretStr("another")}, "wrong key"),
            "keyless": ({"credential": None}, "wrong key"),
            "wrong-header": ({"credential_header": "x-key"}, "wrong key"),
            "nobody": ({"url": endpoints.unused_url()}, "unreachable"),
            "no-host": ({"url": "no-such-host.invalid:1"}, "unreachable"),
            "silent": ({"url": silent.url}, "no answer"),
            "hidden": ({"published": False}, "ready"),
        }
        for name, (changes, _) in wanted.items():
            registry.add(replace(good, service_id=name, **changes))
        registry.add(replace(good, service_id="html", url=html.url, protocol="http"))
        registry.add(replace(good, service_id="drips", url=drips.url, protocol="http"))
        other.add(replace(good, service_id="locked"))
        began_s = time.monotonic()
        found = states("--json", "--timeout", "2")
        took_s = time.monotonic() - began_s
    assert found == {
        **{name: state for name, (_, state) in wanted.items()},
        "html": "failed",
        "drips": "no answer",
        "locked": "no key",
    }
    assert set(found.values()) <= set(ADVICE)
    assert took_s < 2 * 2  # three that do not answer, one after the other, would take 6 s


def test_the_exit_code_says_whether_all_are_ready(registry: Registry, good: Service) -> None:
    """0, 1, and 2 where the question can't be asked; the table says what to do."""
    registry.add(good)
    assert check().exit_code == 0
    registry.add(replace(good, service_id="bad", credential=SecretStr("another")))
    result = check()
    assert result.exit_code == 1
    assert "wrong key" in result.output
    assert "service set --credential-file" in result.output
    assert check("good").exit_code == 0
    assert check("nobody").exit_code == 2
    assert check("--registry", "sqlite:///nowhere.db").exit_code == 2


def test_no_model_is_run(registry: Registry, triton: RunningTriton) -> None:
    """A model that fails whatever it is given is ready: its inference was never asked for."""
    with servers.triton(servers.deterministic_model("fails", "fail")) as other:
        for protocol, url in (("http", other.http_url), ("grpc", other.grpc_url)):
            registry.add(
                Service(
                    protocol, "asr", url, "fails", protocol=protocol,
                    credential=SecretStr(servers.CREDENTIAL),
                )
            )  # fmt: skip
        assert states("--json") == {"http": "ready", "grpc": "ready"}
        assert "this model fails" not in other.log.read_text(errors="replace")
    assert set(states("--json", "--timeout", "1").values()) == {"unreachable"}
    assert triton
