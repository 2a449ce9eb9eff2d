"""`doctor` on a whole set-up of real parts: all well, and each part broken in turn."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.dashboard.influx_store import InfluxStore
from openfeature_triton.flagd_config import example
from openfeature_triton.flagd_config.doctor_commands import doctor
from openfeature_triton.hooks import SqlSink
from openfeature_triton.hooks import migration as store_migration
from openfeature_triton.provider import Keyring, Registry, Service
from openfeature_triton.provider import migration as registry_migration
from tests import releases, servers
from tests.dashboard.stores import influx_store
from tests.hooks.test_dead_letter_commands import refuse_one
from tests.provider import endpoints
from tests.provider.test_generation import ofrep
from tests.scripted_server import scripted_server
from tests.store_servers import InfluxServer, PostgresServer

pytestmark = pytest.mark.integration

KEY, OTHER_KEY = (Keyring.generate_key().get_secret_value() for _ in range(2))


@pytest.fixture(scope="module")
def triton() -> Iterator[RunningTriton]:
    """A Triton with one model."""
    with servers.triton(servers.deterministic_model("echo", "echo")) as running:
        yield running


class SetUp:
    """A folder with a flag file, a registry and a store; the environment names them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, url: str) -> None:
        self.folder = folder
        self._patch = patch
        self.flags = folder / "flags.json"
        self.flags.write_text(example("asr").read_text())
        self.service = Service("a", "asr", url, "echo", credential=SecretStr(servers.CREDENTIAL))
        self.set(
            OFT_FLAGS=str(self.flags),
            OFT_KEYS=KEY,
            OFT_REGISTRY=f"sqlite:///{folder}/registry.db",
            OFT_STORE=f"sqlite:///{folder}/store.db",
            OFT_SPOOL=str(folder / "spool"),
        )

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def fill(self, registry: str = "", store: str = "") -> None:
        """Make the registry, with one service, and the store."""
        with closing(self.registry(registry)) as made:
            made.add(self.service, create_schema=True)
        SqlSink(store or f"sqlite:///{self.folder}/store.db").close()

    def registry(self, url: str = "", key: str = KEY) -> Registry:
        """The registry, with a key."""
        where = url or f"sqlite:///{self.folder}/registry.db"
        return Registry(where, Keyring((SecretStr(key),)))

    def said(self, *names: str) -> dict[str, dict[str, Any]]:
        """What the doctor says, by check."""
        result = CliRunner().invoke(doctor, [*names, "--json"])
        for secret in (servers.CREDENTIAL, KEY, OTHER_KEY, "influx-secret"):
            assert secret not in result.output
        answer = json.loads(result.output)
        assert result.exit_code == (0 if answer["ok"] else 1)
        return {each["check"]: each for each in answer["checks"]}

    def line(self, name: str) -> str:
        """The state of one check and all that it says, with its advice."""
        found = self.said(name)[name]
        texts = [f"{each['text']} → {each['advice']}" for each in found["lines"]]
        return f"{found['state']}: {'; '.join(texts)}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, triton: RunningTriton) -> SetUp:
    """A set-up that is not filled yet."""
    return SetUp(tmp_path, monkeypatch, triton.http_url)


def test_all_is_well(here: SetUp) -> None:
    """Each check is fine, and nothing is left changed: the probe is gone."""
    here.fill()
    held = sorted(path.name for path in here.folder.iterdir())
    found = here.said()
    assert {each["state"] for each in found.values()} == {"fine"}, found
    assert "1 service," in found["registry"]["lines"][0]["text"]
    assert "a: echo at http" in found["tritons"]["lines"][0]["text"]
    result = CliRunner().invoke(doctor, ["store"])
    assert "1 checks: all fine" in result.output
    left = sorted(path.name for path in here.folder.iterdir())
    assert [each for each in left if not each.endswith(("-wal", "-shm"))] == [
        each for each in held if not each.endswith(("-wal", "-shm"))
    ]


def test_all_is_well_on_postgresql(here: SetUp, postgres: PostgresServer) -> None:
    """Registry and store in databases of their own; its clock is this machine's."""
    registry, store = postgres.new_database(), postgres.new_database()
    here.fill(registry, store)
    here.set(OFT_REGISTRY=registry, OFT_STORE=store)
    found = here.said("registry", "keys", "store", "reading", "clock")
    assert {each["state"] for each in found.values()} == {"fine"}, found
    assert "0.0 s" in found["clock"]["lines"][0]["text"]


def test_all_is_well_on_influxdb(here: SetUp, influx: InfluxServer) -> None:
    """With a token that may write and read; one that only writes is told so."""
    made = influx_store(influx, here.folder)
    here.set(OFT_INFLUX_URL=influx.url, OFT_INFLUX_ORG=influx.org, OFT_INFLUX_TOKEN=influx.token)
    assert isinstance(made.read, InfluxStore)
    api = made.read._api.settings
    here.set(OFT_INFLUX_BUCKET=api.bucket, OFT_INFLUX_RAW_BUCKET=api.raw_bucket)
    here.set(OFT_INFLUX_DAYS_BUCKET=api.days_bucket)
    found = here.said("store", "reading", "clock", "spool")
    assert {each["state"] for each in found.values()} == {"fine"}, found
    here.set(OFT_INFLUX_TOKEN_FILE=str(here.folder / "influx-write.token"))
    assert here.line("store").startswith("warning")
    here.set(OFT_INFLUX_TOKEN_FILE=str(here.folder / "influx-read.token"))
    assert here.line("store").startswith("broken")
    made.read.close()


def test_nothing_is_there(here: SetUp) -> None:
    """Each check says what to do, and none makes anything."""
    here.flags.unlink()
    found = here.said()
    states = {name: each["state"] for name, each in found.items()}
    assert states == {
        **dict.fromkeys(("bucketing", "clock", "libraries", "spool"), "fine"),
        **dict.fromkeys(("keys", "reading", "store", "tritons"), "warning"),
        **dict.fromkeys(("flags", "registry"), "broken"),
    }
    for name in ("flags", "registry", "reading", "store", "tritons", "keys"):
        assert all(each["advice"] for each in found[name]["lines"])
    assert not list(here.folder.iterdir())


def test_flags(here: SetUp) -> None:
    """A bad flag, a cut-off file, a flagd that is not there."""
    document = json.loads(here.flags.read_text())
    document["flags"]["bad"] = {"state": 7}
    here.flags.write_text(json.dumps(document))
    assert here.line("flags").startswith("warning")
    assert "left out" in here.line("flags")
    here.flags.write_text(json.dumps(document)[:-20])
    assert here.line("flags").startswith("broken")
    port = endpoints.unused_url().rpartition(":")[2]
    here.set(OFT_SOURCE="sync", FLAGD_HOST="127.0.0.1", FLAGD_SYNC_PORT=port)
    assert "start flagd" in here.line("flags")
    here.set(OFT_SOURCE="rpc", FLAGD_PORT=port)
    assert here.line("flags").startswith("broken: flagd at 127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listens:
        here.set(FLAGD_PORT=str(listens.getsockname()[1]))
        assert here.line("flags").startswith("fine")


def test_bucketing(here: SetUp) -> None:
    """A server of the same generation, of the other one, and none."""
    with ofrep("v3") as url:
        here.set(OFT_OFREP_URL=url)
        assert here.line("bucketing").startswith("fine: the server splits by v3")
    with ofrep("v2") as url:
        here.set(OFT_OFREP_URL=url)
        assert here.line("bucketing").startswith("broken")
        assert "OFT_BUCKETING" in here.line("bucketing")
    assert here.line("bucketing").startswith("warning: v3, not verified")


def test_registry_and_keys(here: SetUp) -> None:
    """Of the previous release, newer, no database; keys that are older, wrong, missing, no keys."""
    releases.restore(f"sqlite:///{here.folder}/registry.db", "registry")
    assert "earlier version" in here.line("registry")
    here.set(OFT_KEYS=releases.KEY)
    assert here.line("keys").startswith("fine: 1 credentials open with the first key")
    here.set(OFT_KEYS=f"{KEY},{releases.KEY}")
    assert here.line("keys").startswith("warning")
    assert "rotate-keys" in here.line("keys")
    here.set(OFT_KEYS=OTHER_KEY)
    assert "broken: no key in OFT_KEYS opens" in here.line("keys")
    here.set(OFT_KEYS="")
    assert "keygen" in here.line("keys")
    here.set(OFT_KEYS="typing error")
    assert here.line("keys").startswith("broken: a key in OFT_KEYS is not a Fernet key")
    assert here.line("registry").startswith("warning")
    assert here.line("tritons").startswith("warning")
    with closing(here.registry()) as registry:
        registry.create_schema()
        releases.make_newer(registry._engine, registry_migration)
    assert "newer openfeature-triton" in here.line("registry")
    (here.folder / "registry.db").write_bytes(b"no database " * 100)
    assert here.line("registry").startswith("broken")
    here.set(OFT_REGISTRY=f"postgresql+psycopg://u:{KEY}@{endpoints.unused_url()}/none")
    assert here.line("registry").startswith("broken")


def test_tritons(here: SetUp) -> None:
    """Each of them has a line of its own; what is not published is not asked."""
    here.fill()
    with closing(here.registry()) as registry:
        nobody = endpoints.unused_url()
        registry.add(replace(here.service, service_id="b", url=nobody))
        registry.add(replace(here.service, service_id="c", credential=SecretStr("other")))
        registry.add(replace(here.service, service_id="d", url=nobody, published=False))
    lines = here.said("tritons")["tritons"]["lines"]
    assert [each["state"] for each in lines] == ["fine", "broken", "broken"]
    assert ["unreachable" in lines[1]["text"], "wrong key" in lines[2]["text"]] == [True, True]
    assert all(each["advice"] for each in lines[1:])


def test_stores(here: SetUp) -> None:
    """Of the previous release, newer, no database, nobody there."""
    releases.restore(f"sqlite:///{here.folder}/store.db", "store")
    assert "store init" in here.line("store")
    assert "store init" in here.line("reading")
    sink = SqlSink(f"sqlite:///{here.folder}/store.db")
    releases.make_newer(sink._engine, store_migration)
    sink.close()
    assert "newer openfeature-triton" in here.line("store")
    (here.folder / "store.db").write_bytes(b"no database " * 100)
    assert here.line("store").startswith("broken")
    here.set(OFT_STORE=f"postgresql+psycopg://u:{KEY}@{endpoints.unused_url()}/none")
    for name in ("store", "reading", "clock"):
        assert here.line(name).startswith("broken"), name
    here.set(OFT_INFLUX_URL=f"http://{endpoints.unused_url()}", OFT_INFLUX_TOKEN="influx-secret")
    for name in ("store", "reading", "clock"):
        assert here.line(name).startswith("broken"), name


def test_a_clock_that_is_off(here: SetUp) -> None:
    """A server whose `Date` is ten minutes behind."""

    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(204)
            self.send_header("Date", formatdate(time.time() - 600, usegmt=True))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        here.set(OFT_INFLUX_URL=f"http://127.0.0.1:{server.server_address[1]}")
        said = here.line("clock")
        server.shutdown()
        thread.join()
    assert said.startswith("broken")
    assert "s ahead of" in said
    assert "NTP" in said


def test_a_spool_with_dead_letters(here: SetUp) -> None:
    """How many, and the command that lists them."""
    here.set(OFT_INFLUX_URL="http://127.0.0.1:1")
    assert here.line("spool").startswith("fine")
    with scripted_server() as server:
        (here.folder / "spool").mkdir()
        refuse_one(server, here.folder / "spool")
    assert "dead-letters list" in here.line("spool")


def test_a_part_that_hangs_hides_no_other(here: SetUp) -> None:
    """A database server that takes a connection and says nothing."""
    here.fill()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        here.set(OFT_STORE=f"postgresql+psycopg://u@127.0.0.1:{port}/none?connect_timeout=5")
        result = CliRunner().invoke(doctor, ["store", "registry", "--timeout", "2", "--json"])
        found = {each["check"]: each for each in json.loads(result.output)["checks"]}
    assert found["registry"]["state"] == "fine"
    assert "no answer within 2 s" in found["store"]["lines"][0]["text"]
