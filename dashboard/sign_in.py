"""Sign in: who is looking? Users with passwords, tokens of programs, or what a trusted proxy says.

Where there are users, or a trusted proxy is named, each page asks; where there is neither, the
dashboard answers anybody, and so listens on loopback only. Once it asks, it asks until its process
ends: users who vanish shut it, and never open it. Sessions are kept in this process: removing a
user, a new password, or ending the process, ends them.
"""

from __future__ import annotations

import hmac
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from openfeature_triton.dashboard.access import Access, AccessFile
from openfeature_triton.dashboard.errors import AccessError
from openfeature_triton.dashboard.limits import Lockout
from openfeature_triton.dashboard.loopback import is_loopback
from openfeature_triton.dashboard.passwords import hash_password, is_password
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.tracking import bearer

COOKIE = "oft_session"
CSRF_COOKIE = "oft_csrf"
MAX_SESSIONS = 10_000

_log = logging.getLogger(__name__)
_OPEN = ("sign_in", "static", "track")
_NOBODY = (
    "there is no user who could sign in, and so nothing is shown: "
    "openfeature-triton dashboard user add NAME"
)
_NAME_FAILURES, _ADDRESS_FAILURES = 5, 20


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in by which password, the text that proves a form is ours, and until when."""

    user: str
    hashed: str = field(repr=False)
    csrf: str = field(repr=False)
    until_s: float


class Sessions:
    """Sessions by an identifier that nobody can guess; safe to use from many threads."""

    def __init__(self, length_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._length_s = length_s
        self._clock_s = clock_s
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, user: str, hashed: str) -> str:
        """Give the identifier of a new session of a user, whose password has this hash."""
        identifier = secrets.token_urlsafe(32)
        until_s = self._clock_s() + self._length_s
        with self._lock:
            csrf = secrets.token_urlsafe(32)
            self._sessions[identifier] = Session(user, hashed, csrf, until_s)
            while len(self._sessions) > MAX_SESSIONS:  # the oldest go first
                self._sessions.pop(next(iter(self._sessions)))
        return identifier

    def find(self, identifier: str) -> Session | None:
        """Give a session that still holds."""
        with self._lock:
            session = self._sessions.get(identifier)
            if session is not None and session.until_s <= self._clock_s():
                del self._sessions[identifier]
                return None
            return session

    def end(self, identifier: str) -> None:
        """Forget a session."""
        with self._lock:
            self._sessions.pop(identifier, None)


class SignIn:
    """Asks who is looking, before each answer.

    Args:
        access: users and tokens.
        settings: the trusted proxy and how long a session lasts.
    """

    def __init__(self, access: AccessFile, settings: DashboardSettings) -> None:
        self._access = access
        self._settings = settings
        self._sessions = Sessions(settings.session_s)
        self._names = Lockout(_NAME_FAILURES)
        self._addresses = Lockout(_ADDRESS_FAILURES)
        self._nobody = hash_password(secrets.token_urlsafe())
        self._asks = settings.proxy_address is not None or not is_loopback(settings.host)
        self._has_nobody = False
        with suppress(AccessError):  # each page says so
            self._users_now()

    def add_to(self, app: Flask) -> None:
        """Ask before each request of an application, and give it the pages to sign in and out."""
        app.before_request(self._ask)
        app.add_url_rule("/sign-in", "sign_in", self._sign_in, methods=["GET", "POST"])
        app.add_url_rule("/sign-out", "sign_out", self._sign_out, methods=["POST"])
        app.context_processor(lambda: {"session": g.get("session"), "user": g.get("user", "")})

    def is_on(self) -> bool:
        """Say whether anybody can be asked. AccessError if the file can't be read."""
        return bool(self._settings.proxy_address or self._users_now().users)

    def _ask(self) -> ResponseReturnValue | None:
        proxy = self._user_of_proxy()
        if request.endpoint in _OPEN:
            return None
        access = self._read()
        if not self._asks:
            return None
        session = self._session(access)
        if session is not None:
            g.session, g.user = session, session.user
            return None
        g.user = proxy or bearer(self._access, "read")
        if g.user:
            return None
        return self._turn_away(access)

    def _session(self, access: Access) -> Session | None:
        """Give the session of who is looking; a removed user or another password ends it."""
        identifier = request.cookies.get(COOKIE, "")
        session = self._sessions.find(identifier)
        if session is None or session.hashed == access.users.get(session.user):
            return session
        self._sessions.end(identifier)
        return None

    def _turn_away(self, access: Access) -> ResponseReturnValue:
        if not access.users and not self._settings.proxy_address:
            abort(503, _NOBODY)
        asks_for_page = not request.path.startswith("/api/") and request.method == "GET"
        if not asks_for_page or not access.users or request.endpoint in ("prometheus", "plotly"):
            advice = "sign in, or send a token that may read (dashboard token add NAME --may read)"
            abort(401, advice)
        target = request.full_path.removesuffix("?")
        return redirect(url_for("sign_in", next=None if target == "/" else target), 303)

    def _user_of_proxy(self) -> str:
        """Give whom the trusted proxy names; 401 for the header from anybody else."""
        named = request.headers.get(self._settings.proxy_header, "").strip()
        proxies = self._settings.proxy_address
        if proxies is None or not named:
            return ""
        if not _is_among(proxies, request.remote_addr or ""):
            abort(401, "only the trusted proxy may say who is looking")
        return named[:64]

    def _sign_in(self) -> ResponseReturnValue:
        if not self._read().users:  # the page says that nobody can sign in, or need not
            return redirect(url_for("experiments"), 303)
        if request.method == "GET":
            return self._form("")
        return self._try()

    def _try(self) -> ResponseReturnValue:
        given, kept = request.form.get("csrf", ""), request.cookies.get(CSRF_COOKIE, "")
        if not kept or not hmac.compare_digest(given.encode(), kept.encode()):
            return self._form("This form was too old. Try again.", 400)
        name, address = request.form.get("name", ""), request.remote_addr or ""
        locked_s = max(self._names.left_s((name, address)), self._addresses.left_s(address))
        if locked_s > 0:
            minutes = math.ceil(locked_s / 60)
            answer = self._form(f"Too many failures. Try again in {minutes} min.", 429)
            answer.headers["Retry-After"] = str(math.ceil(locked_s))
            return answer
        hashed = self._read().users.get(name)
        # An unknown name takes as long as a known one.
        if not is_password(request.form.get("password", ""), hashed or self._nobody) or not hashed:
            self._names.fail((name, address))
            self._addresses.fail(address)
            return self._form("Name or password is wrong.", 401)
        self._names.forgive((name, address))
        entered = redirect(_own_path(request.args.get("next", "")), 303)
        _set(entered, COOKIE, self._sessions.begin(name, hashed))
        entered.delete_cookie(CSRF_COOKIE)
        return entered

    def _form(self, problem: str, code: int = 200) -> Response:
        csrf = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(32)
        answer = Response(render_template("sign_in.html", csrf=csrf, problem=problem), code)
        _set(answer, CSRF_COOKIE, csrf)
        return answer

    def _sign_out(self) -> ResponseReturnValue:
        session: Session | None = g.get("session")
        given = request.form.get("csrf", "")
        if session is None or not hmac.compare_digest(given.encode(), session.csrf.encode()):
            abort(400, "this form was too old; go back, and try again")
        self._sessions.end(request.cookies.get(COOKIE, ""))
        answer = redirect(url_for("sign_in"), 303)
        answer.delete_cookie(COOKIE)
        return answer

    def _read(self) -> Access:
        """Whoever can't be asked for is not let in."""
        try:
            access = self._users_now()
        except AccessError as error:
            abort(503, str(error))
        self._tell_of_nobody(access)
        return access

    def _users_now(self) -> Access:
        """Read the file; from the first users on, or a file that can't be read, each page asks."""
        try:
            access = self._access.read()
        except AccessError:
            self._asks = True
            raise
        self._asks = self._asks or bool(access.users)
        return access

    def _tell_of_nobody(self, access: Access) -> None:
        """Log once, when nobody can sign in any more."""
        has_nobody = self._asks and not access.users and not self._settings.proxy_address
        if has_nobody and not self._has_nobody:
            _log.error("%s: %s", self._settings.access, _NOBODY)
        self._has_nobody = has_nobody


def _set(answer: AnyResponse, name: str, value: str) -> None:
    answer.set_cookie(name, value, httponly=True, samesite="Lax", secure=_is_over_tls())


def _is_over_tls() -> bool:
    """Whether the browser came over TLS, which ended at a proxy in front.

    Anybody may claim so: it binds no cookie but the claimant's own, to TLS.
    """
    claimed = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return request.is_secure or claimed == "https"


def _own_path(path: str) -> str:
    """Only a path of ours: two slashes, of either kind, lead to another host."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else url_for("experiments")


def _is_among(network: IPv4Network | IPv6Network, text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    # Who listens on [::] sees IPv4 as part of IPv6.
    return (getattr(address, "ipv4_mapped", None) or address) in network
