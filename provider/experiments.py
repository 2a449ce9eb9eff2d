"""Experiments: the one integration point of a service.

with experiments.infer("nmt", language="hi", targeting_key=request_id,
                       service_id="nmt-indictrans2") as call:
    result = call.client.infer(call.model_name, inputs)
    call.record(output_characters=len(text))
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter_ns
from types import MappingProxyType, TracebackType
from typing import Any

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.track import TrackingEventDetails

from openfeature_triton.provider.catalogue import Match
from openfeature_triton.provider.clients import TritonClients
from openfeature_triton.provider.errors import UnknownServiceError
from openfeature_triton.provider.foreign_errors import error_class
from openfeature_triton.provider.route import Route, RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

_log = logging.getLogger(__name__)

Attributes = Mapping[str, str | int | float | bool]


class Experiments:
    """Chooses the service of each request, and measures what came of it.

    Args:
        client: an OpenFeature client whose provider is a `TritonProvider`.
        own: services that this process knows without the registry, by id; what a request falls
            back on even while the registry is away.
        settings: read from the environment (`OFT_…`) if not given.

    Whatever fails, a request goes to the service that its caller named.
    """

    def __init__(
        self,
        client: OpenFeatureClient,
        *,
        own: Mapping[str, Service] = MappingProxyType({}),
        settings: ProviderSettings | None = None,
    ) -> None:
        settings = settings or ProviderSettings()
        self._client = client
        self._own = own
        self._clients = TritonClients(settings)
        self._enabled = settings.experiments
        self._tally = Tally(_log)

    def enable(self) -> None:
        """Let requests take part in experiments (again)."""
        self._enabled = True

    def disable(self) -> None:
        """Send each request to its caller's own service from now on."""
        self._enabled = False

    def counts(self) -> Mapping[str, int]:
        """How many requests were routed for each `RouteReason`."""
        return self._tally.counts()

    def close(self) -> None:
        """Close the pooled Triton clients."""
        self._clients.close()

    def route(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
    ) -> Route:
        """Choose where a request goes; never raises.

        Args:
            task_type: `asr`, `nmt`, `tts`, `ocr`, `ner` or another.
            service_id: the caller's own service: where the request goes if no experiment takes it.
            language: a BCP 47 tag, for targeting.
            targeting_key: the unit that is randomised, a request id or a user id.
            attributes: what else the flag's targeting may look at.
        """
        context = EvaluationContext(
            targeting_key, {**attributes, "task_type": task_type, "language": language}
        )
        try:
            route = self._assigned(task_type, language, context, service_id)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an experiment could not be evaluated; own service used")
            route = self._own_route(
                task_type, language, context, service_id, RouteReason.FLAG_ERROR
            )
        self._tally.count(route.reason.value)
        return route

    def infer(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
    ) -> Call:
        """Route a request and measure its inference: a context manager that gives the `Call`.

        Arguments as for `route`. What the block raises is recorded by its class and goes on.
        """
        route = self.route(
            task_type,
            service_id=service_id,
            language=language,
            targeting_key=targeting_key,
            attributes=attributes,
        )
        return Call(route, self._clients, self._client)

    def _assigned(
        self, task_type: str, language: str, context: EvaluationContext, service_id: str
    ) -> Route:
        """Route a request through the experiment that takes it, else to its own service."""
        match = self._match(task_type, context)
        if isinstance(match, RouteReason):
            return self._own_route(task_type, language, context, service_id, match)
        details = self._client.get_object_details(match.experiment, {}, context)
        if details.error_code is not None or details.variant is None:
            reason = self._refusal(match)
            return self._own_route(task_type, language, context, service_id, reason)
        return self._experiment_route(task_type, language, context, details)

    def _match(self, task_type: str, context: EvaluationContext) -> Match | RouteReason:
        if not self._enabled:
            return RouteReason.SWITCHED_OFF
        provider = self._client.provider
        if not isinstance(provider, TritonProvider):
            return RouteReason.NOT_READY
        if not context.targeting_key:
            return RouteReason.NO_TARGETING_KEY
        return provider.match(task_type, context)

    def _experiment_route(
        self,
        task_type: str,
        language: str,
        context: EvaluationContext,
        details: FlagEvaluationDetails[Any],
    ) -> Route:
        assigned_id = details.value["service_id"]
        return Route(
            task_type=task_type,
            language=language,
            targeting_key=context.targeting_key,
            service_id=assigned_id,
            service=self._service(assigned_id),
            reason=RouteReason.EXPERIMENT,
            experiment=details.flag_key,
            phase=str(details.flag_metadata.get("phase", "")),
            variant=details.variant or "",
        )

    def _own_route(
        self,
        task_type: str,
        language: str,
        context: EvaluationContext,
        service_id: str,
        reason: RouteReason,
    ) -> Route:
        return Route(
            task_type=task_type,
            language=language,
            targeting_key=context.targeting_key,
            service_id=service_id,
            service=self._service(service_id),
            reason=reason,
        )

    def _service(self, service_id: str) -> Service | None:
        own = self._own.get(service_id)
        if own is not None:
            return own
        provider = self._client.provider
        return provider.services.get(service_id) if isinstance(provider, TritonProvider) else None

    def _refusal(self, match: Match) -> RouteReason:
        """Why an experiment that took the request could not give it a service."""
        service = self._service(match.service_id)
        if service is None:
            return RouteReason.UNKNOWN_SERVICE
        return RouteReason.FLAG_ERROR if service.published else RouteReason.UNPUBLISHED_SERVICE


class Call:
    """One inference: a pooled Triton client, the model to ask, and what is recorded of it.

    Used as a context manager. The clock runs from entering to leaving the block, and is monotonic.
    """

    __slots__ = ("_client", "_clients", "_metrics", "_started_ns", "route")

    def __init__(self, route: Route, clients: TritonClients, client: OpenFeatureClient) -> None:
        self.route = route
        self._clients = clients
        self._client = client
        self._metrics: dict[str, float] = {}
        self._started_ns = 0

    @property
    def client(self) -> Any:
        """The thread's Triton client of the service, with its credential.

        Raises UnknownServiceError where the caller's own service is not in the registry.
        """
        if self.route.service is None:
            raise UnknownServiceError(self.route.service_id)
        return self._clients.http(self.route.service)

    @property
    def model_name(self) -> str:
        """The model to ask."""
        return self.route.model_name

    @property
    def model_version(self) -> str:
        """The version to ask for; empty for the latest."""
        return self.route.model_version

    def record(self, **metrics: float) -> None:
        """Add custom metrics to the outcome, e.g. `output_characters=42`."""
        self._metrics.update(metrics)

    def __enter__(self) -> Call:
        self._started_ns = perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        latency_ms = (perf_counter_ns() - self._started_ns) / 1e6
        if self.route.is_experiment:
            self._track(latency_ms, "" if error is None else error_class(error))

    def _track(self, latency_ms: float, failure: str) -> None:
        """Record the outcome as an OpenFeature tracking event; never raises."""
        route = self.route
        attributes: dict[str, Any] = {
            "experiment": route.experiment,
            "phase": route.phase,
            "variant": route.variant,
            "served": route.variant,
            "task_type": route.task_type,
            "language": route.language,
            "success": not failure,
            "error_class": failure,
            "metrics": self._metrics,
        }
        try:
            context = EvaluationContext(route.targeting_key)
            self._client.track("inference", context, TrackingEventDetails(latency_ms, attributes))
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            _log.warning("an outcome was not recorded; the request goes on", exc_info=True)
