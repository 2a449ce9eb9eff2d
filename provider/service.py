"""Service: one deployed model, where it is and what opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from pydantic import SecretStr

from openfeature_triton.provider.errors import InvalidServiceError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_URL = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})(?:/\S*)?")
_HIGHEST_PORT = 65535
_LONGEST = {
    "service_id": 200,
    "task_type": 64,
    "url": 400,
    "model_name": 200,
    "model_version": 64,
    "credential_header": 100,
}
"""How many characters the registry keeps of each field."""


@dataclass(frozen=True, slots=True)
class Service:
    """One deployed model behind a Triton endpoint; a row of the registry.

    `url` is `host:port`; an empty `model_version` means the latest; `credential` is masked in
    every repr and sent in the header `credential_header`. It is not pickled, since a pickle
    would hold the credential in the clear: send the `service_id`.
    """

    service_id: str
    task_type: str
    url: str
    model_name: str
    model_version: str = ""
    protocol: str = "http"
    credential_header: str = "authorization"
    credential: SecretStr | None = None
    published: bool = True

    @property
    def endpoint(self) -> tuple[str, str, str, str]:
        """What a request is sent to: two services that share it would get it twice."""
        return (self.protocol, self.url, self.model_name, self.model_version)

    def __copy__(self) -> Service:
        return self

    def __deepcopy__(self, _: object) -> Service:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Service may hold a credential and is not pickled: send its service_id")


def check_service(service: Service) -> None:
    """Raise InvalidServiceError for a service that can't work; a credential is never shown."""
    for name in ("service_id", "task_type", "model_name"):
        value = getattr(service, name)
        if not value or not value.isprintable() or value != value.strip():
            raise _invalid(service, name, f"{value!r} is empty or has spaces or control characters")
    if not service.model_version.isprintable():
        raise _invalid(service, "model_version", "has control characters")
    for name, longest in _LONGEST.items():
        if len(getattr(service, name)) > longest:
            raise _invalid(service, name, f"is longer than {longest} characters")
    if service.protocol not in ("http", "grpc"):
        raise _invalid(service, "protocol", f"{service.protocol!r} is neither http nor grpc")
    endpoint = _URL.fullmatch(service.url)
    if endpoint is None or not 0 < int(endpoint[1]) <= _HIGHEST_PORT:
        raise _invalid(service, "url", f"{service.url!r} is not host:port, without http://")
    if not _HEADER_NAME.fullmatch(service.credential_header):
        raise _invalid(service, "credential_header", "is not the name of a header")
    credential = service.credential
    if credential is not None and not _HEADER_VALUE.fullmatch(credential.get_secret_value()):
        raise _invalid(
            service,
            "credential",
            "is empty or has characters that a header can't carry (a line break?)",
        )


def _invalid(service: Service, field: str, problem: str) -> InvalidServiceError:
    return InvalidServiceError(f"service {service.service_id!r}: {field}: {problem}")
