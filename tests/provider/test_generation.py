"""The generation check against flagd itself and against a small OFREP server of ours."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ProviderNotReadyError
from openfeature.provider import ProviderStatus
from openfeature.schemas.protobuf.flagd.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import example, parse_document, read_document
from openfeature_triton.provider import (
    FileFlags,
    LastGood,
    ProviderSettings,
    SyncSettings,
    TritonProvider,
)
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.evaluation_servers import FlagdRpc, Ofrep
from openfeature_triton.provider.evaluator import Evaluator, evaluate
from openfeature_triton.provider.generation import GenerationCheck, check_generation
from openfeature_triton.provider.open_source import evaluation_server
from tests.flagd_servers import Flagd, eventually, flagd_binary, free_ports

ASR = example("asr")


@contextmanager
def ofrep(bucketing: str) -> Iterator[str]:
    """A server that evaluates the example by a generation; gives its URL."""
    evaluator = Evaluator(read_document(ASR, bucketing=bucketing))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))["context"]
            context = EvaluationContext(body.pop("targetingKey"), body)
            flag = evaluator.flags[self.path.rsplit("/", 1)[1]]
            answer = json.dumps({"variant": evaluate(flag, context).variant}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Evaluation(evaluation_pb2_grpc.ServiceServicer):
    """flagd's evaluation service over the example, by a generation."""

    def __init__(self, bucketing: str) -> None:
        self._evaluator = Evaluator(read_document(ASR, bucketing=bucketing))

    def ResolveObject(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """The variant of one flag in one context."""
        said = dict(request.context)
        asked = EvaluationContext(said.pop("targetingKey"), said)
        found = evaluate(self._evaluator.flags[request.flag_key], asked)
        return evaluation_pb2.ResolveObjectResponse(variant=found.variant or "")


@contextmanager
def rpc(bucketing: str) -> Iterator[SyncSettings]:
    """A server that speaks flagd's RPC and no OFREP; gives the settings that lead there."""
    server = grpc.server(ThreadPoolExecutor(2))
    service = Evaluation(bucketing)  # type: ignore[abstract] # nobody asks for more
    evaluation_pb2_grpc.add_ServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    (nobody,) = free_ports(1)
    try:
        yield SyncSettings(host="127.0.0.1", rpc_port=port, ofrep_port=nobody)
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("ours", ["v2", "v3"])
def test_a_server_without_ofrep_is_asked_by_rpc(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings lead to asks both ways."""
    with rpc("v2") as flagd:
        monkeypatch.setenv("FLAGD_HOST", flagd.host)
        monkeypatch.setenv("FLAGD_RPC_PORT", str(flagd.rpc_port))
        monkeypatch.setenv("FLAGD_OFREP_PORT", str(flagd.ofrep_port))
        server = evaluation_server(ProviderSettings(source="sync"))
        assert server is not None
        found = check_generation(read_document(ASR, bucketing=ours), server)
    assert found.found == ("same" if ours == "v2" else "other")


def test_nobody_to_ask_by_rpc_is_unknown(tmp_path: Path) -> None:
    """Nor does a certificate that is not there end more than the question."""
    (port,) = free_ports(1)
    for tls in (False, True):
        cert = str(tmp_path / "none.pem")
        settings = SyncSettings(host="127.0.0.1", rpc_port=port, tls=tls, server_cert_path=cert)
        found = check_generation(read_document(ASR), FlagdRpc(settings))
        assert found.found == "unknown"


def check(url: str, bucketing: str) -> GenerationCheck:
    """What asking a server says to a service of this generation."""
    return check_generation(read_document(ASR, bucketing=bucketing), Ofrep(url))


@pytest.mark.parametrize("ours", ["v2", "v3"])
@pytest.mark.parametrize("servers", ["v2", "v3"])
def test_a_server_is_told_by_the_variants_that_it_gives(ours: str, servers: str) -> None:
    """The same generation agrees; the other one is named with the setting to change."""
    with ofrep(servers) as url:
        found = check(url, ours)
    assert found.found == ("same" if ours == servers else "other")
    assert (f"OFT_BUCKETING={servers}" in found.message) == (ours != servers)


def test_flagd_splits_by_the_generation_that_it_is_known_for(tmp_path: Path) -> None:
    """Flagd 0.15 to 0.16 is v2."""
    flagd_binary()
    file = tmp_path / "flags.json"
    file.write_bytes(ASR.read_bytes())
    flagd = Flagd(file, real=True)
    flagd.start()
    try:
        url = f"http://127.0.0.1:{flagd.ofrep_port}"
        eventually(lambda: check(url, "v2").found != "unknown")  # OFREP comes up after sync
        assert check(url, "v2").found == "same"
        assert check(url, "v3").found == "other"
        rpc = FlagdRpc(SyncSettings(host="127.0.0.1", rpc_port=flagd.rpc_port))
        assert check_generation(read_document(ASR, bucketing="v2"), rpc).found == "same"
        assert check_generation(read_document(ASR, bucketing="v3"), rpc).found == "other"
    finally:
        flagd.kill()


def test_a_server_that_can_not_be_asked_is_unknown() -> None:
    """Nobody there, or no OFREP: nothing is claimed."""
    (port,) = free_ports(1)
    assert check(f"http://127.0.0.1:{port}", "v3").found == "unknown"


def test_a_document_without_a_live_experiment_is_unknown() -> None:
    """A disabled experiment gives no variants to compare."""
    text = ASR.read_text(encoding="utf-8").replace("ENABLED", "DISABLED")
    with ofrep("v3") as url:
        found = check_generation(parse_document(text, source="flags.json"), Ofrep(url))
    assert found.found == "unknown"


def connect(url: str, **options: Any) -> tuple[TritonProvider, list[EventDetails]]:
    """A v3 provider that verifies itself against a server, and the errors that it told."""
    errors: list[EventDetails] = []
    api.add_handler(ProviderEvent.PROVIDER_ERROR, errors.append)
    provider = TritonProvider(FileFlags(ASR, poll_s=0.01), {}, server=Ofrep(url), **options)
    api.set_provider_and_wait(provider)
    return provider, errors


def test_another_generation_is_an_error_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Flags are served, and everybody hears what to set."""
    with ofrep("v2") as url, caplog.at_level(logging.ERROR):
        provider, errors = connect(url)
        assert provider.document is not None
        assert "OFT_BUCKETING=v2" in caplog.text
        assert provider.verify_generation().found == "other"
    eventually(lambda: bool(errors))  # handlers run in threads of the SDK's
    assert "OFT_BUCKETING=v2" in str(errors[0].message)
    assert api.get_client().get_provider_status() is ProviderStatus.ERROR


def test_strict_serves_the_callers_own_services() -> None:
    """Better no experiment than one that splits otherwise than elsewhere."""
    with ofrep("v2") as url, pytest.raises(ProviderNotReadyError, match="OFT_BUCKETING=v2"):
        connect(url, strict=True)
    assert api.get_client().get_object_value("asr-fast-beam", {"own": 1}) == {"own": 1}


def test_the_same_generation_is_ready() -> None:
    """Nothing to say."""
    with ofrep("v3") as url:
        provider, errors = connect(url, strict=True)
        assert provider.verify_generation().found == "same"
    assert not errors
    assert api.get_client().get_provider_status() is ProviderStatus.READY


def test_a_change_of_the_generation_is_loud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Over a restart, where the last good flags are kept: both generations, and new phases."""
    kept, phases = LastGood(tmp_path / "kept"), []
    for bucketing in ("v2", "v2", "v3"):
        caplog.clear()
        source = FileFlags(ASR, bucketing=bucketing, last_good=kept)
        provider = TritonProvider(source, {})
        api.set_provider_and_wait(provider)
        assert provider.document is not None
        phases.append(provider.document.experiments["asr-fast-beam"].phase)
        said = [each.message for each in caplog.records if each.levelno == logging.WARNING]
        api.shutdown()
        assert len(said) == (bucketing == "v3")
    assert "bucketing changes from v2 to v3" in said[0]
    assert "new phase" in said[0]
    assert phases[0] == phases[1] != phases[2]


def test_a_change_of_the_generation_is_loud_without_the_source(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last good flags are split anew, too; said once, and not again when the file is back."""
    kept, file = LastGood(tmp_path / "kept"), tmp_path / "flags.json"
    kept.save(ASR.read_bytes(), bucketing="v2")
    api.set_provider_and_wait(TritonProvider(FileFlags(file, poll_s=0.01, last_good=kept), {}))
    assert caplog.text.count("bucketing changes from v2 to v3") == 1
    file.write_bytes(ASR.read_bytes())

    def kept_anew() -> bool:
        loaded = kept.load()
        return loaded is not None and loaded.bucketing == "v3"

    eventually(kept_anew)
    assert caplog.text.count("bucketing changes") == 1


def test_a_source_that_changes_its_generation_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    """Within a process, too: a warning, a new phase on each assignment, told once."""
    told: list[TrackingEventDetails] = []
    provider = TritonProvider(
        "unread.json", {}, lambda _name, _context, told_of: told.append(told_of)
    )
    phases = []
    for bucketing in ("v3", "v2", "v3"):
        provider.flags.on_document(read_document(ASR, bucketing=bucketing))
        assigned = provider.assign("asr", "en-US", "request-1")
        assert isinstance(assigned, Assignment)
        phases.append(assigned.phase)
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert [each.split(":")[0] for each in warnings] == [
        "bucketing changes from v3 to v2",
        "bucketing changes from v2 to v3",
    ]
    assert phases[0] == phases[2] != phases[1]
    assert [(each.attributes["phase"], each.attributes["bucketing"]) for each in told] == [
        (phases[0], "v3"),
        (phases[1], "v2"),
    ]
