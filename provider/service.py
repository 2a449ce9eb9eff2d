"""Service: one deployed model, where it is and what opens it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Service:
    """One deployed model behind a Triton endpoint; a row of the registry.

    `url` is `host:port`; an empty `model_version` means the latest; `credential` is masked in
    every repr and sent in the header `credential_header`.
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
