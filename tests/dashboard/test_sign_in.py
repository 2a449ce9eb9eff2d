from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openfeature_triton.dashboard import NotLoopbackError, Server, create_app
from openfeature_triton.dashboard.access import Access, Token, change_access, read_access
from openfeature_triton.dashboard.limits import Lockout
from openfeature_triton.dashboard.passwords import hash_password, hash_token
from openfeature_triton.dashboard.sign_in import Sessions
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.test_serve import RUN

PASSWORD = "sentinel of a pass phrase"
HASHED = hash_password(PASSWORD)
TOKEN = "oft_reader"
PAGES = ("/", "/experiments/e", "/api/experiments", "/metrics", "/api/experiments/e/metrics")


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A dashboard with one user, and a token that may read."""
    world.record("e", [Outcome("old", 1.0)])
    access = Access({"ana": HASHED}, {"grafana": Token(hash_token(TOKEN), "read")})
    change_access(world.folder / "access.json", lambda _: access)
    return world.client()


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def _enter(
    client: FlaskClient, name: str = "ana", password: str = PASSWORD, **more: str
) -> TestResponse:
    csrf = _csrf(client.get("/sign-in").text)
    form = {"csrf": csrf, "name": name, "password": password} | more
    return client.post("/sign-in?next=/experiments/e", data=form)


def test_nothing_is_shown_before_somebody_signed_in(client: FlaskClient) -> None:
    """Pages lead to the form, machines get 401, and the form tells nothing of experiments."""
    for path in PAGES:
        response = client.get(path)
        assert response.status_code in (303, 401), path
        assert "old" not in response.text
    assert client.get("/experiments/e").headers["Location"] == "/sign-in?next=/experiments/e"
    assert client.get("/none").status_code == 303


def test_who_signed_in_sees_the_page_asked_for_until_signing_out(client: FlaskClient) -> None:
    """The cookie can't be read by scripts, nor sent along from other sites' forms."""
    response = _enter(client)
    assert (response.status_code, response.headers["Location"]) == (303, "/experiments/e")
    [cookie] = [c for c in response.headers.getlist("Set-Cookie") if c.startswith("oft_session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/experiments/e")
    assert page.status_code == 200
    assert "Sign out ana" in page.text
    assert client.post("/sign-out", data={"csrf": "wrong"}).status_code == 400
    assert client.get("/").status_code == 200
    assert client.post("/sign-out", data={"csrf": _csrf(page.text)}).status_code == 303
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong"), ("bob", PASSWORD), ("", "")])
def test_a_wrong_name_or_password_is_told_alike(
    client: FlaskClient, name: str, password: str
) -> None:
    """The answer does not tell which names there are."""
    response = _enter(client, name, password)
    assert response.status_code == 401
    assert "Name or password is wrong." in response.text
    assert client.get("/").status_code == 303


def test_a_form_of_somebody_else_signs_nobody_in(client: FlaskClient) -> None:
    """Without the text that belongs to the browser's cookie the password is not even looked at."""
    assert _enter(client, csrf="forged").status_code == 400
    client.delete_cookie("oft_csrf")
    form = {"csrf": "", "name": "ana", "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 400
    assert client.get("/").status_code == 303


def test_who_fails_too_often_is_locked_out(client: FlaskClient) -> None:
    """After five failures the right password helps no more for a while; it says how long."""
    for _ in range(5):
        assert _enter(client, password="wrong").status_code == 401
    response = _enter(client)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 900
    assert client.get("/").status_code == 303


def test_a_lock_opens_after_its_time() -> None:
    """Old failures are forgotten, others' never counted."""
    now_s = 0.0
    lockout = Lockout(2, lock_s=10.0, clock_s=lambda: now_s)
    lockout.fail("a")
    assert lockout.left_s("a") == 0
    now_s = 4.0
    lockout.fail("a")
    assert lockout.left_s("a") == 10.0
    assert lockout.left_s("b") == 0
    now_s = 14.5
    assert lockout.left_s("a") == 0


def test_a_session_ends_by_itself() -> None:
    """After its length it is nobody's."""
    now_s = 0.0
    sessions = Sessions(60.0, clock_s=lambda: now_s)
    identifier = sessions.begin("ana", HASHED)
    now_s = 59.0
    assert sessions.find(identifier)
    now_s = 60.0
    assert sessions.find(identifier) is None


def test_removing_a_user_ends_the_session(client: FlaskClient, world: World) -> None:
    """At the next request already."""
    _enter(client)
    assert client.get("/").status_code == 200
    keep = Access({"bob": HASHED}, {})
    change_access(world.folder / "access.json", lambda _: keep)
    assert client.get("/").status_code == 303


def test_a_new_password_ends_the_sessions_of_the_old_one(client: FlaskClient, world: World) -> None:
    """Whoever knew the old one is out at the next request, also once the old one is back."""
    _enter(client)
    file = world.folder / "access.json"
    change_access(file, lambda _: Access({"ana": hash_password("another pass phrase")}, {}))
    assert client.get("/").status_code == 303
    change_access(file, lambda _: Access({"ana": HASHED}, {}))
    assert client.get("/").status_code == 303


def _remove_users(file: Path) -> None:
    change_access(file, lambda found: Access({}, found.tokens))


@pytest.mark.parametrize("vanish", [_remove_users, Path.unlink])
def test_users_who_vanish_shut_the_dashboard_and_never_open_it(
    client: FlaskClient,
    world: World,
    vanish: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Loopback or not: who was signed in is out, and page and log say what to do; once."""
    _enter(client)
    vanish(world.folder / "access.json")
    for path in (*PAGES, "/sign-in"):
        response = client.get(path, follow_redirects=True)
        assert response.status_code == 503, path
        assert "dashboard user add NAME" in response.text
        assert "old" not in response.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "dashboard user add NAME" in caplog.text
    change_access(world.folder / "access.json", lambda _: Access({"bob": HASHED}, {}))
    assert _enter(client, "bob").status_code == 303


def test_users_who_vanish_before_the_first_request_shut_it_too(world: World) -> None:
    """Whether to ask is known when the application is made."""
    world.record("e", [Outcome("old", 1.0)])
    file = world.folder / "access.json"
    change_access(file, lambda _: Access({"ana": HASHED}, {}))
    client = world.client()
    file.unlink()
    assert client.get("/").status_code == 503


def test_a_program_may_still_read_where_no_user_is_left(client: FlaskClient, world: World) -> None:
    """Its token says who it is."""
    _remove_users(world.folder / "access.json")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/experiments", headers=headers).status_code == 200


@pytest.mark.parametrize("content", ["", '{"users": {"ana"', "null"])
def test_a_torn_file_lets_nobody_in_not_even_once_it_is_gone(world: World, content: str) -> None:
    """Somebody meant to keep others out; before, on loopback, everybody was let in."""
    file = world.folder / "access.json"
    world.record("e", [Outcome("old", 1.0)])
    client = world.client()
    assert client.get("/").status_code == 200
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
    response = client.get("/")
    assert response.status_code == 503
    assert "is no file of users and tokens" in response.text
    file.unlink()
    assert client.get("/").status_code == 503


def test_beyond_loopback_nothing_is_shown_where_nobody_can_sign_in(world: World) -> None:
    """Another server than ours may serve the application, and asks us nothing."""
    world.record("e", [Outcome("old", 1.0)])
    app = create_app(world.settings().model_copy(update={"host": "0.0.0.0"}))
    assert app.test_client().get("/api/experiments").status_code == 503


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb"]
)
def test_signing_in_leads_to_no_other_site(client: FlaskClient, target: str) -> None:
    """A `next` that is no path of ours is left."""
    csrf = _csrf(client.get("/sign-in").text)
    form = {"csrf": csrf, "name": "ana", "password": PASSWORD}
    response = client.post("/sign-in", query_string={"next": target}, data=form)
    assert (response.status_code, response.headers["Location"]) == (303, "/")


def test_a_program_reads_with_its_token(client: FlaskClient) -> None:
    """Bearer tokens that may read open pages and JSON; others do not."""
    for path in PAGES:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(path, headers=headers).status_code == 200
    wrong = {"Authorization": "Bearer wrong"}
    assert client.get("/api/experiments", headers=wrong).status_code == 401


def test_a_file_that_others_may_read_lets_nobody_in(client: FlaskClient, world: World) -> None:
    """The page says what to do instead of showing anything."""
    (world.folder / "access.json").chmod(0o644)
    response = client.get("/experiments/e")
    assert response.status_code == 503
    assert "chmod 600" in response.text


def _get(server: Server, headers: dict[str, str], path: str = "/api/experiments") -> int:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("scheme", "is_secure"), [("https", True), ("HTTPS, http", True), ("http", False), ("", False)]
)
def test_behind_a_proxy_that_ends_tls_cookies_travel_over_tls_only(
    world: World, scheme: str, is_secure: bool
) -> None:
    """Over a real connection: whoever asks says how, and binds with it no cookie but its own."""
    server = Server(world.client().application, port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        request = urllib.request.Request(f"{server.url}sign-in")
        request.add_header("X-Forwarded-Proto", scheme)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert ("Secure" in answer.headers["Set-Cookie"]) is is_secure
    finally:
        server.close()
        thread.join(timeout=10)


@pytest.mark.parametrize(
    ("proxy", "named"), [("127.0.0.1", 200), ("127.0.0.0/8", 200), ("192.0.2.7", 401)]
)
def test_a_trusted_proxy_says_who_is_looking_and_nobody_else_does(
    world: World, proxy: str, named: int
) -> None:
    """Over a real connection: its header counts from its address only; without it all is 401."""
    world.record("e", [Outcome("old", 1.0)])
    named_proxy = {"proxy_address": ip_network(proxy), "host": "0.0.0.0"}
    settings = world.settings().model_copy(update=named_proxy)
    server = Server(create_app(settings, clock=lambda: NOW), "0.0.0.0", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert _get(server, {"X-Forwarded-User": "ana"}) == named
        assert _get(server, {}) == 401
        assert _get(server, {"X-Forwarded-User": ""}) == 401
    finally:
        server.close()
        thread.join(timeout=10)


def test_a_proxy_is_known_by_ipv4_where_the_dashboard_listens_on_ipv6(world: World) -> None:
    """Its address then comes as part of IPv6."""
    world.record("e", [Outcome("old", 1.0)])
    named_proxy = {"proxy_address": ip_network("127.0.0.1"), "host": "::"}
    client = create_app(world.settings().model_copy(update=named_proxy)).test_client()
    for address, code in (("::ffff:127.0.0.1", 200), ("::1", 401), ("", 401)):
        response = client.get(
            "/", headers={"X-Forwarded-User": "ana"}, environ_base={"REMOTE_ADDR": address}
        )
        assert response.status_code == code, address


@pytest.mark.usefixtures("client")
def test_a_dashboard_that_asks_may_listen_elsewhere_but_not_while_it_debugs(world: World) -> None:
    """With a user it listens on all addresses; in debug mode on loopback only."""
    settings = world.settings().model_copy(update={"host": "0.0.0.0"})
    app = create_app(settings)
    Server(app, "0.0.0.0", 0).close()
    app.debug = True
    with pytest.raises(NotLoopbackError, match="FLASK_DEBUG"):
        Server(app, "0.0.0.0", 0)
    Server(app, "127.0.0.1", 0).close()


def _command(
    folder: Path, *arguments: str, password: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "dashboard", *arguments],
        cwd=folder,
        input=password,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OFT_ACCESS": "access.json", **environment},
    )


@pytest.mark.parametrize("proxy", ["nonsense", "10.0.0.1/8"])
@pytest.mark.parametrize("arguments", [(), ("user", "list"), ("token", "add", "nmt")])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(
    tmp_path: Path, proxy: str, arguments: tuple[str, ...]
) -> None:
    """Nobody could come in; before, it was taken silently."""
    done = _command(tmp_path, *arguments, OFT_PROXY_ADDRESS=proxy)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: OFT_PROXY_ADDRESS: value is not a valid")
    assert done.stderr.count("\n") == 1


def test_users_and_tokens_are_kept_by_commands(tmp_path: Path) -> None:
    """Added, listed, removed; a password comes from standard input, a token is shown once."""
    added = _command(tmp_path, "user", "add", "ana", "--password-stdin", password=f"{PASSWORD}\n")
    assert (added.returncode, added.stderr) == (0, "")
    made = _command(tmp_path, "token", "add", "nmt", "--may", "read")
    access = read_access(tmp_path / "access.json")
    assert access.holder(made.stdout.strip(), "read") == "nmt"
    assert list(access.users) == ["ana"]
    assert "ana" in _command(tmp_path, "user", "list").stdout
    assert PASSWORD not in (tmp_path / "access.json").read_text(encoding="utf-8")
    removed = _command(tmp_path, "user", "remove", "ana")
    assert removed.returncode == 0
    assert "nobody is left, so a running dashboard shows nothing" in removed.stdout
    assert _command(tmp_path, "token", "remove", "nmt").returncode == 0
    assert read_access(tmp_path / "access.json") == Access()


def test_commands_end_with_2_where_a_name_or_password_will_not_do(tmp_path: Path) -> None:
    """One line says what is wrong, and nothing is written."""
    for arguments, reason in (
        (("user", "add", "ana", "--password-stdin"), "10 characters"),
        (("user", "add", "a b", "--password-stdin"), "no name"),
        (("user", "remove", "ana"), "no user 'ana'"),
        (("token", "remove", "nmt"), "no token 'nmt'"),
    ):
        done = _command(tmp_path, *arguments, password="short\n")
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("error: ")
        assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []
