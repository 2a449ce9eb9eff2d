"""Security: what each answer tells the browser not to do, and which names may be asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from openfeature_triton.dashboard.loopback import is_loopback
from openfeature_triton.dashboard.settings import DashboardSettings

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def protect(app: Flask, settings: DashboardSettings) -> None:
    """Put the headers on each answer, errors too.

    A dashboard of loopback answers only to its names; any other asks who is looking, and a foreign
    name brings no session along.
    """
    if is_loopback(settings.host):
        app.before_request(_refuse_foreign_names)
    app.after_request(_add_headers)


def _refuse_foreign_names() -> None:
    """Answer no site that points a name of its own at this machine (DNS rebinding).

    Flask's TRUSTED_HOSTS knows no IPv6, and leaves an error page without its links.
    """
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        abort(400, "the dashboard answers only to localhost, 127.0.0.1 and [::1]")


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
