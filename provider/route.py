"""Route: where one request goes, and why."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pydantic import SecretStr

from openfeature_triton.provider.service import Service


class RouteReason(str, Enum):
    """Why a request goes where it goes.

    EXPERIMENT, FORCED and CONCLUDED mean the variant's service, all others the caller's own.
    """

    EXPERIMENT = "experiment"
    FORCED = "forced"
    CONCLUDED = "concluded"
    ENDPOINT_FAILING = "endpoint_failing"
    SWITCHED_OFF = "switched_off"
    NOT_READY = "not_ready"
    NO_EXPERIMENT = "no_experiment"
    NO_MATCH = "no_match"
    NO_TARGETING_KEY = "no_targeting_key"
    FLAG_ERROR = "flag_error"
    UNKNOWN_SERVICE = "unknown_service"
    UNPUBLISHED_SERVICE = "unpublished_service"


class Route(NamedTuple):
    """One request's way: the assignment if it is in an experiment, and the service to call.

    `experiment`, `phase` and `variant` are empty unless `is_assigned`. `service` is None only
    where the caller's own service is not known to the registry. `served` is the variant whose
    service the request goes to: the assigned one, or after a breaker opened the one that the
    caller's own service is, `own` if it is none.
    """

    task_type: str
    language: str
    targeting_key: str | None
    service_id: str
    service: Service | None
    reason: RouteReason
    own_service_id: str
    experiment: str = ""
    phase: str = ""
    variant: str = ""
    served: str = ""
    unit: str = "request"

    @property
    def is_assigned(self) -> bool:
        """Whether a flag gave the request a variant."""
        return bool(self.variant)

    @property
    def is_sent_elsewhere(self) -> bool:
        """Whether a flag sends the request to another service than its caller's own."""
        return bool(self.variant) and self.service_id != self.own_service_id

    @property
    def is_experiment(self) -> bool:
        """Whether the request is in an experiment: assigned, and its outcome counts."""
        counts = self.reason is _EXPERIMENT or self.reason is _ENDPOINT_FAILING
        return counts and bool(self.phase)

    @property
    def model_name(self) -> str:
        """The model's name on its Triton; empty where the service is unknown."""
        return self.service.model_name if self.service else ""

    @property
    def model_version(self) -> str:
        """The model's version; empty for the latest one."""
        return self.service.model_version if self.service else ""

    @property
    def protocol(self) -> str:
        """`http` or `grpc`; empty where the service is unknown."""
        return self.service.protocol if self.service else ""

    @property
    def url(self) -> str:
        """Triton's endpoint, `host:port`; empty where the service is unknown."""
        return self.service.url if self.service else ""

    @property
    def credential(self) -> SecretStr | None:
        """The key that the endpoint wants, masked in every repr."""
        return self.service.credential if self.service else None


# Looking a member up in its enum, or hashing it, takes a request longer than all else here.
_EXPERIMENT, _ENDPOINT_FAILING = RouteReason.EXPERIMENT, RouteReason.ENDPOINT_FAILING

OWN = "own"
"""What `served` says where the caller's own service answered and is none of the variants."""
