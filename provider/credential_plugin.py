"""CredentialPlugin: puts a service's credential into what a tritonclient sends."""

from __future__ import annotations

from typing import Any

from openfeature_triton.provider.service import Service

_GRPC_PREFIX = "triton-grpc-protocol-"
"""What Triton's `--grpc-restricted-protocol` puts before the name of its header."""


class CredentialPlugin:
    """Puts a service's credential into the header of each request of a tritonclient."""

    def __init__(self, service: Service) -> None:
        self._credential = service.credential
        self._headers = _headers(service)

    def __call__(self, request: Any) -> None:
        """Called by tritonclient with a request whose `headers` are a dict."""
        if self._credential is not None:
            value = _MaskedText(self._credential.get_secret_value())
            for header in self._headers:
                request.headers[header] = value


def _headers(service: Service) -> tuple[str, ...]:
    """The headers that carry it; over gRPC the plain one is for proxies, the other for Triton."""
    if service.protocol != "grpc":
        return (service.credential_header,)
    header = service.credential_header.lower()  # HTTP/2 knows no capitals
    return (header,) if header.startswith(_GRPC_PREFIX) else (header, _GRPC_PREFIX + header)


class _MaskedText(str):
    """A header's value that shows nothing where headers are printed as a dict, or in a message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"
