"""SyncFlags with what flagd itself would not send, and where it has to start, fork and end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.provider import ProviderStatus

from openfeature_triton.provider import LastGood
from tests.flagd_servers import eventually
from tests.provider.sync_world import (
    CHANGED,
    EMPTY,
    ERROR,
    ONE,
    READY,
    STALE,
    TWO,
    World,
    flags,
    in_a_child,
    threads,
    word,
)

PLAIN = json.loads(ONE)["flags"]["word"]
BAD = [
    "",
    "null",
    "[]",
    "{",
    ONE[:-20],
    EMPTY,
    json.dumps({"flags": {"word": None}}),
    json.dumps({"flags": {"word": {**PLAIN, "state": "on"}}}),
    json.dumps({"flags": {"word": {**PLAIN, "variants": {}}}}),
    json.dumps({"flags": {"word": {**PLAIN, "metadata": {"a": {"b": 1}}}}}),
    json.dumps({"flags": {"word": PLAIN}, "$evaluators": {"é": None}, "metadata": {"a": {}}}),
    json.dumps({"flags": {"word": {**PLAIN, "targeting": {"$ref": "é"}}}}),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A small server that sends whatever its file holds, started."""
    world = World(tmp_path / "flags.json")
    world.flagd.start()
    yield world
    api.shutdown()
    world.flagd.kill()
    assert not threads()


def test_no_bad_document_ends_the_stream_or_replaces_a_good_one(world: World) -> None:
    """Each is told as an error, and the good one that follows each goes live."""
    client = world.connect()
    for number, bad in enumerate(BAD):
        before = len(world.events)
        world.flagd.write(bad)
        world.wait(ERROR, after=before)
        assert word(client) == ("one" if number == 0 else f"good {number - 1}"), bad
        world.flagd.write(flags(word=f"good {number}"))
        world.wait(CHANGED, after=before)
        assert word(client) == f"good {number}"
        assert client.get_provider_status() is ProviderStatus.READY


def test_one_bad_flag_costs_only_itself_and_is_named(world: World) -> None:
    """An event names it; the others are served, READY."""
    client = world.connect()
    document = json.loads(TWO)
    document["flags"]["broken"] = {**PLAIN, "state": "on"}
    world.flagd.write(json.dumps(document))
    told = world.wait(ERROR)
    assert told.flags_changed == ["broken"]
    assert "'broken'" in str(told.message)
    world.wait(CHANGED)
    assert word(client) == "two"
    assert client.get_provider_status() is ProviderStatus.READY


def test_a_document_beyond_four_mebibytes_arrives(world: World) -> None:
    """GRPC's own limit would keep it back without a word."""
    client = world.connect()
    world.flagd.write(flags(word="large", padding="x" * 5 * 2**20))
    world.wait(CHANGED)
    assert word(client) == "large"


def test_a_document_beyond_our_limit_is_refused_aloud(world: World) -> None:
    """What is told names the limit and its setting; a smaller one goes live."""
    client = world.connect(max_bytes=100_000)
    world.flagd.write(flags(word="large", padding="x" * 200_000))
    assert "OFT_SYNC_MAX_BYTES" in str(world.wait(STALE).message)
    assert word(client) == "one"
    world.flagd.write(TWO)
    world.wait(CHANGED)
    assert word(client) == "two"


def test_a_start_while_flagd_is_down_serves_the_last_good_flags(
    world: World, tmp_path: Path
) -> None:
    """STALE with their age, until flagd is back with its own."""
    kept = LastGood(tmp_path / "cache" / "flags")
    world.connect(kept)
    world.flagd.write(TWO)
    world.wait(CHANGED)
    eventually(lambda: b"two" in kept.path.read_bytes())
    api.shutdown()
    world.flagd.kill()
    before = len(world.events)
    client = world.connect(kept, deadline_ms=200)
    assert word(client) == "two"
    assert "last good flags are in force" in str(world.wait(STALE, after=before).message)
    eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
    assert world.provider is not None
    assert world.provider.flags_age_s is not None
    world.flagd.write(ONE)
    world.flagd.start()
    assert world.wait(CHANGED, after=before).flags_changed == ["other", "word"]
    assert word(client) == "one"
    assert client.get_provider_status() is ProviderStatus.READY


def test_a_child_forked_after_the_start_follows_flagd(world: World) -> None:
    """A worker has its parent's flags at once, and its own stream for the changes."""
    client = world.connect()

    def check() -> None:
        assert word(client) == "one"
        world.flagd.write(TWO)
        eventually(lambda: word(client) == "two")
        assert world.provider is not None
        world.provider.shutdown()
        assert not threads()

    assert in_a_child(check) == 0
    eventually(lambda: word(client) == "two")


def test_a_child_forked_before_the_start_follows_flagd(world: World) -> None:
    """GRPC is imported in the parent, and first used in the child."""

    def check() -> None:
        assert word(world.connect()) == "one"
        world.flagd.write(TWO)
        eventually(lambda: word(api.get_client()) == "two")

    assert in_a_child(check) == 0


# The ways to a server, and what comes beside the flags

TARGETED = json.dumps(
    {
        "flags": {
            "word": {
                "state": "ENABLED",
                "variants": {"here": "here", "there": "there"},
                "defaultVariant": "there",
                "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "here", "there"]},
            }
        }
    }
)


@pytest.mark.parametrize("arguments", [(), ("--old",)])
def test_flagds_own_context_is_in_each_evaluation(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Sent with the flags, or by an older flagd beside them; what a request says wins."""
    world = World(tmp_path / "flags.json", arguments=("--context", "region=eu", *arguments))
    world.flagd.write(TARGETED)
    world.flagd.start()
    try:
        client = world.connect()
        assert word(client) == "here"
        elsewhere = EvaluationContext("key", {"region": "us"})
        assert client.get_string_value("word", "own", elsewhere) == "there"
    finally:
        api.shutdown()
        world.flagd.kill()


def test_a_selector_takes_its_part(tmp_path: Path) -> None:
    """The right one gives the flags."""
    world = World(tmp_path / "flags.json", arguments=("--selector", "source=mine"))
    world.flagd.start()
    try:
        assert word(world.connect(selector="source=mine")) == "one"
    finally:
        api.shutdown()
        world.flagd.kill()


def test_a_fatal_status_code_ends_it_for_good(tmp_path: Path) -> None:
    """FATAL, its own service for every request, and no thread that goes on asking."""
    world = World(tmp_path / "flags.json", arguments=("--refuse", "PERMISSION_DENIED"))
    world.flagd.start()
    try:
        with pytest.raises(ProviderFatalError, match="PERMISSION_DENIED"):
            world.connect(fatal_status_codes="PERMISSION_DENIED")
        client = api.get_client()
        assert client.get_provider_status() is ProviderStatus.FATAL
        assert client.get_string_details("word", "own").error_code is ErrorCode.PROVIDER_FATAL
        eventually(lambda: not threads())
    finally:
        api.shutdown()
        world.flagd.kill()


def test_any_other_status_code_is_tried_again(tmp_path: Path) -> None:
    """The refusal may end."""
    world = World(tmp_path / "flags.json", arguments=("--refuse", "PERMISSION_DENIED"))
    world.flagd.start()
    try:
        with pytest.raises(ProviderNotReadyError, match="not for you"):
            world.connect(fatal_status_codes="UNAUTHENTICATED", deadline_ms=500)
        assert threads()
    finally:
        api.shutdown()
        world.flagd.kill()


def test_a_unix_socket_is_a_way_too(tmp_path: Path) -> None:
    """No port is opened."""
    path = tmp_path / "s"
    world = World(tmp_path / "flags.json", address=f"unix:{path}")
    world.flagd.start()
    try:
        assert word(world.connect(socket_path=str(path))) == "one"
    finally:
        api.shutdown()
        world.flagd.kill()


def test_tls_by_an_authority_of_ones_own(tmp_path: Path) -> None:
    """The server's certificate is checked: without its authority there are no flags."""
    cert, key = _certificate(tmp_path)
    arguments = ("--cert", str(cert), "--key", str(key))
    world = World(tmp_path / "flags.json", arguments=arguments)
    world.flagd.start()
    try:
        with pytest.raises(ProviderNotReadyError):
            world.connect(tls=True, deadline_ms=1_000)
        assert word(world.connect(tls=True, server_cert_path=str(cert), host="localhost")) == "one"
    finally:
        api.shutdown()
        world.flagd.kill()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


def test_a_server_that_accepts_and_says_nothing_is_no_flagd(tmp_path: Path) -> None:
    """A half-open connection: the start ends at its deadline, and says why."""
    world = World(tmp_path / "flags.json")
    with socket.create_server(("127.0.0.1", world.flagd.port)):
        with pytest.raises(ProviderNotReadyError):
            world.connect(deadline_ms=300)
        assert api.get_client().get_provider_status() is ProviderStatus.ERROR
        api.shutdown()
    assert not threads()


def test_ready_follows_when_flags_come_at_last(world: World) -> None:
    """A first document that is bad makes no ready; the next good one does."""
    world.flagd.write("null")
    with pytest.raises(ProviderNotReadyError):
        world.connect(deadline_ms=1_000)
    before = len(world.events)
    world.flagd.write(ONE)
    world.wait(READY, after=before)
    assert word(api.get_client()) == "one"
