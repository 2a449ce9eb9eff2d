"""Security: what each answer tells the browser not to do, and which names may be asked for."""

from __future__ import annotations

from flask import Flask, Response

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""The names under which a browser on this machine knows it.

A site that points its own name at 127.0.0.1 (DNS rebinding) is answered with 400.
"""


def protect(app: Flask) -> None:
    """Put the headers on each answer, errors too, and answer only to the names of loopback."""
    app.config["TRUSTED_HOSTS"] = list(LOOPBACK_NAMES)
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
