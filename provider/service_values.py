"""From the service that a variant names to the flag's value: what a caller may know of it."""

from __future__ import annotations

from typing import Any, Protocol

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails

from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.provider.evaluator import failed
from openfeature_triton.provider.service import Service


class Services(Protocol):
    """What a provider asks for a service; a `dict` will do."""

    def get(self, service_id: str, /) -> Service | None:
        """The service, or None if there is none of that id; never blocks for long or raises."""


class ServiceValues:
    """Puts services in the place of the `{"service": id}` that names them, each described once."""

    def __init__(self) -> None:
        self._described: dict[str, tuple[Service, FrozenDict[str, str]]] = {}

    def put(
        self,
        service_id: str,
        service: Service | None,
        key: str,
        default: Any,
        found: FlagResolutionDetails[Any],
    ) -> FlagResolutionDetails[Any]:
        """Give the details with the service of that id as their value, or why it can't be used."""
        known = self._described.get(service_id)
        if known is None or known[0] is not service:
            if service is None or not service.published:
                return _unusable(service_id, service, key, default, found)
            known = self._described[service_id] = service, _describe(service)
        found.value = known[1]
        return found


def _unusable(
    service_id: str,
    service: Service | None,
    key: str,
    default: Any,
    found: FlagResolutionDetails[Any],
) -> FlagResolutionDetails[Any]:
    """The caller's default, since the variant's service can't be used."""
    state = "unknown to the registry" if service is None else "not published"
    message = f"flag {key!r}, variant {found.variant!r}: service {service_id!r} is {state}"
    unusable = failed(default, ErrorCode.GENERAL, message)
    unusable.flag_metadata = found.flag_metadata
    return unusable


def _describe(service: Service) -> FrozenDict[str, str]:
    """What a flag's value may tell of a service: all but its credential."""
    return FrozenDict(
        {
            "service_id": service.service_id,
            "url": service.url,
            "protocol": service.protocol,
            "model_name": service.model_name,
            "model_version": service.model_version,
        }
    )
