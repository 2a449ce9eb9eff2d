"""The Influx writer, against a server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_writer import InfluxWriter, Verdict
from tests.scripted_server import Received, Reply, Script, ScriptedServer, scripted_server
from tests.tls import private_ca


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Where points are sent."""
    with scripted_server() as running:
        yield running


def writer(server: ScriptedServer, **settings: object) -> closing[InfluxWriter]:
    """Make a writer to the server."""
    given = {"url": server.url, "token": SecretStr("one")} | settings
    return closing(InfluxWriter(InfluxSettings.model_validate(given)))


def test_lines_arrive_with_bucket_and_token(server: ScriptedServer) -> None:
    """Gzipped, in nanoseconds, to the bucket that is named."""
    with writer(server) as writes:
        assert writes.write("windows", ["m f=1 1", "m f=2 2"], 5).verdict is Verdict.STORED
    (request,) = server.received
    assert (request.path, request.bucket, request.token) == (
        "/api/v2/write",
        "windows",
        "Token one",
    )
    assert request.lines == ["m f=1 1", "m f=2 2"]


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (400, '{"code": "invalid", "message": "unable to parse"}', Verdict.REFUSED),
        (400, "<html>a proxy</html>", Verdict.LATER),
        (401, '{"code": "unauthorized", "message": "unauthorized access"}', Verdict.NOT_ALLOWED),
        (403, "", Verdict.NOT_ALLOWED),
        (404, '{"code": "not found", "message": "bucket not found"}', Verdict.NOT_ALLOWED),
        (413, "", Verdict.REFUSED),
        (429, "", Verdict.LATER),
        (500, "not even json", Verdict.LATER),
        (503, '{"code": "unavailable", "message": "later"}', Verdict.LATER),
        (302, "", Verdict.LATER),
    ],
)
def test_each_status_has_its_verdict(
    server: ScriptedServer, status: int, body: str, verdict: Verdict
) -> None:
    """DESIGN's table; a page of a proxy never counts as the points' own fault."""
    server.script = lambda reply, _: reply.answer(status, body)
    with writer(server) as writes:
        given = writes.write("b", ["m f=1 1"], 5)
    assert (given.verdict, given.status) == (verdict, status)


def test_an_answer_is_read_for_how_many_were_dropped(server: ScriptedServer) -> None:
    """InfluxDB says it in its message."""
    server.script = lambda reply, _: reply.refuse(422, "partial write: type conflict dropped=3")
    with writer(server) as writes:
        given = writes.write("b", ["m f=1 1"], 5)
    assert (given.verdict, given.dropped) == (Verdict.REFUSED, 3)


def test_retry_after_is_read(server: ScriptedServer) -> None:
    """In seconds; another form is ignored."""
    server.script = lambda reply, _: reply.answer(429, Retry_After="7")
    with writer(server) as writes:
        assert writes.write("b", ["m f=1 1"], 5).retry_after_s == 7


def _never(reply: Reply, _: Received) -> None:
    reply.server.ending.wait()


def _drip(reply: Reply, _: Received) -> None:
    reply.wfile.write(b"HTTP/1.1 204 No Content\r\nX: ")
    while not reply.server.ending.wait(0.05):
        reply.wfile.write(b"x")


@pytest.mark.parametrize("script", [_never, _drip])
def test_a_request_has_a_total_deadline(server: ScriptedServer, script: Script) -> None:
    """A server that never answers, or drips for ever, is cut off."""
    server.script = script
    with writer(server) as writes:
        assert writes.write("b", ["m f=1 1"], 0.3).verdict is Verdict.LATER
    assert not server.ending.is_set()


def test_nobody_there_is_told_from_no_answer(server: ScriptedServer) -> None:
    """A refused connection costs next to nothing, so it may be tried often."""
    with writer(server, url="http://127.0.0.1:9") as writes:
        assert writes.write("b", ["m f=1 1"], 5).verdict is Verdict.UNREACHABLE


def test_a_new_token_is_used_at_once(server: ScriptedServer, tmp_path: Path) -> None:
    """Its file is read again for each request."""
    path = tmp_path / "token"
    path.write_text("old")
    with writer(server, token_file=path) as writes:
        writes.write("b", ["m f=1 1"], 5)
        path.write_text("new")
        writes.write("b", ["m f=1 1"], 5)
    assert [request.token for request in server.received] == ["Token old", "Token new"]


def test_a_private_authority_vouches_for_the_server(server: ScriptedServer, tmp_path: Path) -> None:
    """Named by a setting, to write and to read; without it nobody is trusted, and that is said."""
    authority, context = private_ca(tmp_path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    with writer(server, url=url) as writes:
        refused = writes.write("b", ["m f=1 1"], 5)
    assert refused.verdict is Verdict.LATER
    assert "certificate verify failed" in refused.message
    settings = InfluxSettings(url=url, ca=authority)
    with closing(InfluxWriter(settings)) as writes:
        assert writes.write("b", ["m f=1 1"], 5).verdict is Verdict.STORED
    with closing(InfluxApi(settings)) as api:
        api.write("b", "m f=2 2")
    assert [request.lines for request in server.received] == [["m f=1 1"], ["m f=2 2"]]
