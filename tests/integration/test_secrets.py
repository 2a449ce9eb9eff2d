"""No secret anywhere: a sentinel goes through every error path, and all that is written is read."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import io
import logging
import pickle
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openfeature import api
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from pydantic import SecretStr

from openfeature_triton.dashboard import DashboardSettings, create_app
from openfeature_triton.dashboard.watch_commands import watch
from openfeature_triton.flagd_config.doctor_commands import doctor
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Experiments,
    Keyring,
    ProviderSettings,
    Registry,
    Service,
    TritonProvider,
)
from openfeature_triton.provider.commands import service as service_commands
from tests.provider import endpoints
from tests.provider.endpoints import ask, ask_async, grpc_endpoint, http_endpoint
from tests.provider.test_experiments import write_flags

SENTINEL = "s3ntinelCredentialOfTheTest"
OWN = "asr-careful"
ASKED: Any = {"language": "en-US", "targeting_key": "r", "service_id": OWN}


def _forms(secret: str) -> list[str]:
    """The secret, and what of its base64 form does not depend on what stands around it."""
    encoded = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        encoded.append(text[4 if shift else 0 : -4])
    return [secret, *encoded]


class Written:
    """All that was written somewhere, and where."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []

    def add(self, where: str, text: object) -> None:
        """Keep a text; bytes are read as they are."""
        if isinstance(text, bytes):
            text = text.decode("latin-1")
        self._texts.append((where, str(text)))

    def error(self, where: str, error: BaseException) -> None:
        """Keep all that an exception shows: itself, and its traceback with all locals."""
        self.add(f"repr, {where}", repr(error))
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        self.add(f"traceback with locals, {where}", "".join(told.format()))

    def failing(self, where: str, act: Callable[[], object]) -> None:
        """Do what fails, and keep what it shows."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            self.error(where, error)
        else:
            pytest.fail(f"{where}: did not fail")

    def check(self, secret: str = SENTINEL) -> None:
        """Nothing holds the secret in any form."""
        found = [
            f"{where}: …{text[max(at - 300, 0) : at + 60]}…"
            for where, text in self._texts
            for form in _forms(secret)
            if (at := text.find(form)) >= 0
        ]
        assert not found, "\n".join(found)


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Iterator[Written]:
    """What the test writes, all logs at DEBUG, and both streams; checked in the end."""
    written, output = Written(), io.StringIO()
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "sqlalchemy.engine", "aiohttp", "geventhttpclient", "tritonclient"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with redirect_stdout(output), redirect_stderr(output):
        yield written
    for record in caplog.records:
        written.add("log", f"{record.getMessage()} {record.__dict__} {record.exc_text}")
    written.add("log", caplog.text)
    written.add("output", output.getvalue())
    written.check()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderSettings:
    """A registry with the sentinel in it, and flags that send everybody to `asr-fast`."""
    split = {"fractional": [["control", 0], ["treatment", 1]]}
    settings = ProviderSettings(
        flags=str(write_flags(tmp_path / "flags.json", one={"targeting": split})),
        registry=SecretStr(f"sqlite:///{tmp_path}/registry.db"),
        keys=Keyring.generate_key(),
        deadline_s=0.6,
        registry_ttl_s=0.05,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OFT_KEYS", settings.keys.get_secret_value())
    with closing(_registry(settings)) as registry:
        registry.create_schema()
        registry.add(_service(OWN))
        registry.add(_service("asr-fast"))
    return settings


def _registry(settings: ProviderSettings) -> Registry:
    return Registry(settings.registry, Keyring((settings.keys,)))


def _service(name: str, url: str = "127.0.0.1:1", protocol: str = "http") -> Service:
    return Service(name, "asr", url, name, protocol=protocol, credential=SecretStr(SENTINEL))


class Looks(Hook):
    """Writes down all that a hook is shown."""

    def __init__(self, written: Written) -> None:
        self._written = written

    def before(self, hook_context: HookContext, hints: HookHints) -> None:
        """Look at the context."""
        self._written.add("hook context", f"{vars(hook_context)} {hints}")

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,
    ) -> None:
        """Look at the details."""
        self._written.add("hook context", f"{vars(hook_context)} {hints}")
        self._written.add("flag details", f"{details} {dict(details.flag_metadata)}")


def test_errors_of_the_database_show_no_secret(
    written: Written, settings: ProviderSettings, tmp_path: Path
) -> None:
    """Existing, unknown, locked, broken, and a key that does not fit."""
    with closing(_registry(settings)) as registry:
        written.failing("exists", lambda: registry.add(_service(OWN)))
        written.failing("unknown", lambda: registry.update(_service("nobody")))
        with closing(sqlite3.connect(tmp_path / "registry.db")) as database:
            database.execute("DROP TABLE services")
        written.failing("no table", lambda: registry.add(_service("new")))
        written.failing("no table", lambda: registry.get(OWN))
    (tmp_path / "registry.db").write_bytes(b"no database " * 100)
    with closing(_registry(settings)) as registry:
        written.failing("no database", lambda: registry.add(_service("new")))


def test_errors_of_validation_show_no_secret(
    written: Written, settings: ProviderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential that no header can carry, a key that is none, settings that can't be."""
    bad = replace(_service("bad"), credential=SecretStr(f"{SENTINEL}\nx: y"))
    with closing(_registry(settings)) as registry:
        written.failing("header", lambda: registry.add(bad))
        written.failing("url", lambda: registry.add(replace(_service("bad"), url="nowhere")))
    written.failing("key", lambda: Keyring.from_text(SecretStr(SENTINEL)))
    url = SecretStr(f"//{SENTINEL}")
    written.failing("registry", lambda: Registry(url, Keyring((settings.keys,))))
    for name, value in {"KEYS": SENTINEL, "REGISTRY": SENTINEL, "DEADLINE_S": "-1"}.items():
        monkeypatch.setenv(f"OFT_{name}", value)
    written.failing("settings", ProviderSettings)
    with closing(Registry(settings.registry, Keyring((Keyring.generate_key(),)))) as registry:
        written.failing("wrong key", lambda: registry.get(OWN))


@pytest.mark.parametrize("credential", [SENTINEL, f"{SENTINEL}\r\nx: y", f"{SENTINEL}…"])
@pytest.mark.parametrize(
    "behave",
    [
        None,
        endpoints.stays_silent,
        endpoints.drips,
        endpoints.FORBIDDEN,
        endpoints.HTML_500,
        endpoints.breaks_off,
    ],
)
def test_errors_of_http_clients_show_no_secret(
    written: Written, settings: ProviderSettings, behave: Any, credential: str
) -> None:
    """Whatever an endpoint does, and whatever is wrong with the header."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(http_endpoint(behave)).url if behave else endpoints.unused_url()
        service = replace(_service("asr-fast", url), credential=SecretStr(credential))
        _fail_through(written, settings, service)


@pytest.mark.parametrize("credential", [SENTINEL, f"{SENTINEL}\r\nx: y", f"{SENTINEL}…"])
def test_errors_of_grpc_clients_show_no_secret(
    written: Written, settings: ProviderSettings, credential: str
) -> None:
    """A server that is late; in time for nobody."""
    with grpc_endpoint(delay_s=5) as endpoint:
        service = replace(
            _service("asr-fast", endpoint.url, "grpc"), credential=SecretStr(credential)
        )
        _fail_through(written, settings, service)


def _fail_through(written: Written, settings: ProviderSettings, service: Service) -> None:
    """Fail in a thread and in a loop; nothing falls back."""
    services = {"asr-fast": service}
    api.set_provider_and_wait(TritonProvider(settings.flags, services))
    with closing(Experiments(api.get_client(), settings=settings)) as experiments:

        def infer() -> float:
            with experiments.infer("asr", **ASKED) as call:
                return ask(call)

        async def infer_async() -> float:
            async with experiments.infer_async("asr", **ASKED) as call:
                return await ask_async(call)

        written.failing("infer", infer)
        written.failing("call", lambda: experiments.call(ask, "asr", **ASKED))
        written.failing("infer_async", lambda: asyncio.run(infer_async()))
        written.add("stats", experiments.stats())


def test_values_show_no_secret(written: Written, settings: ProviderSettings) -> None:
    """repr, str, vars, copies and pickles of all that holds a credential, or leads to one."""
    recorder = Recorder.open(RecorderSettings(on_sigterm=False))
    provider = TritonProvider.open(settings, on_track=recorder.track)
    api.set_provider_and_wait(provider)
    with closing(recorder), closing(Experiments(api.get_client(), settings=settings)) as ours:
        call = ours.infer("asr", **ASKED)
        written.add("token", call.token)
        things = {
            "settings": settings,
            "service": call.service,
            "route": call.route,
            "call": call,
            "client": call.client,
            "experiments": ours,
            "provider": provider,
            "cache": provider.services,
            "registry": _registry(settings),
            "keyring": Keyring((settings.keys,)),
        }
        for name, thing in things.items():
            slots = {each: getattr(thing, each, "") for each in getattr(thing, "__slots__", ())}
            shown = f"{thing!r} {thing} {getattr(thing, '__dict__', '')} {slots}"
            written.add(f"repr, {name}", shown)
            with contextlib.suppress(Exception):
                written.add(f"copy, {name}", repr(copy.copy(thing)))
            with contextlib.suppress(Exception):
                written.add(f"pickle, {name}", pickle.dumps(thing))
        with pytest.raises(TypeError, match="is not pickled"):
            pickle.dumps(call.route)


def test_what_is_recorded_and_shown_holds_no_secret(
    written: Written, settings: ProviderSettings, tmp_path: Path
) -> None:
    """Hooks, details, files, pages and the command line, after good calls and bad ones."""
    recorder = Recorder.open(RecorderSettings(on_sigterm=False))
    with http_endpoint(endpoints.answers()) as good, closing(recorder):
        with closing(_registry(settings)) as registry:
            registry.update(_service(OWN, good.url))
        api.set_provider_and_wait(TritonProvider.open(settings, on_track=recorder.track))
        api.add_hooks([Looks(written), ExperimentHook(recorder)])
        with closing(Experiments(api.get_client(), settings=settings)) as experiments:
            assert experiments.call(ask, "asr", **ASKED) == 2.0
            with (
                contextlib.suppress(OSError),
                experiments.infer("asr", **ASKED) as call,
            ):
                ask(call)
            details = api.get_client().get_object_details("one", {})
            written.add("flag details", f"{details} {details.value} {details.flag_metadata}")
        assert any(SENTINEL in each.get("authorization", "") for each in good.headers)
        assert recorder.flush()
        written.add("recorder", recorder.stats())
    for file in tmp_path.iterdir():
        written.add(f"file {file.name}", file.read_bytes())
    client = create_app(DashboardSettings(flags=settings.flags)).test_client()
    for page in ("/", "/experiments/one", "/api/experiments", "/api/experiments/one", "/metrics"):
        answer = client.get(page)
        assert answer.status_code == 200, page
        written.add(f"page {page}", f"{answer.headers} {answer.text}")
    _type_commands(written, tmp_path)


def _type_commands(written: Written, folder: Path) -> None:
    secret = folder / "credential"
    add = ["add", "asr-new", "--task", "asr", "--url", "h:1", "--credential-file", str(secret)]
    secret.write_text(SENTINEL)
    for command in (
        *(["list"], ["list", "--json"], ["show", OWN], ["show", OWN, "--json"], add, add),
        *(["set", OWN, "--url", "nowhere"], ["set", OWN, "--credential-file", str(secret)]),
        *(["check"], ["check", "--json"], ["export"], ["export", "--json"], ["rotate-keys"]),
        *(["import", str(secret)], ["show", "nobody"], ["remove", OWN]),
    ):
        result = CliRunner().invoke(service_commands, command)
        written.add(f"command {command[0]}", f"{result.output} {result.exception!r}")
    _type_others(written, folder)
    secret.write_text(f"{SENTINEL}\nmore")
    result = CliRunner().invoke(service_commands, [*add[:1], "asr-bad", *add[2:]])
    assert result.exit_code == 2
    written.add("command add", result.output)


def _type_others(written: Written, folder: Path) -> None:
    """Those that read the whole set-up, with the sentinel as password, token and key as well."""
    away = f"postgresql+psycopg://u:{SENTINEL}@127.0.0.1:1/none?connect_timeout=1"
    variables: tuple[dict[str, str], ...] = (
        {},
        {"OFT_KEYS": SENTINEL},
        {"OFT_REGISTRY": away, "OFT_STORE": away},
        {"OFT_INFLUX_URL": "http://127.0.0.1:1", "OFT_INFLUX_TOKEN": SENTINEL},
        {"OFT_INFLUX_URL": f"http://u:{SENTINEL}@127.0.0.1:1"},
        {
            "OFT_REGISTRY_TTL_S": SENTINEL,
            "OFT_INFLUX_DEADLINE_S": SENTINEL,
            "OFT_FLUSH_S": SENTINEL,
        },
    )
    tell = f"{sys.executable} -c 'import sys; print(sys.stdin.read())'"
    for each in variables:
        for command, arguments in (
            (doctor, []),
            (doctor, ["--json"]),
            (watch, ["--once", "--json", "--on-event", tell]),
        ):
            result = CliRunner(env={"OFT_FLAGS": str(folder / "flags.json"), **each}).invoke(
                command, arguments
            )
            assert result.exit_code in (0, 1, 2), result.exception
            written.add(f"command {command.name}", f"{result.output} {result.exception!r}")


def test_the_check_itself_finds_a_secret() -> None:
    """Plain, and in base64 at each of the three places that it can begin."""
    for before in ("", "x", "xy", "user:"):
        for text in (before + SENTINEL, base64.b64encode(f"{before}{SENTINEL}.".encode())):
            written = Written()
            written.add("somewhere", text)
            with pytest.raises(AssertionError, match="somewhere"):
                written.check()
