"""Router: from a request to its route, by one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

from openfeature.api import get_hooks
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails
from openfeature.provider import ProviderStatus

from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.decided import evaluate_by_sdk
from openfeature_triton.provider.direct_hooks import DirectHooks
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.request import Request, around
from openfeature_triton.provider.route import OWN, Route, RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

_NOT_READY = frozenset({ProviderStatus.NOT_READY, ProviderStatus.FATAL})


class Router:
    """Finds where each request goes; whatever fails, that is its caller's own service.

    Args:
        client: the OpenFeature client whose provider, hooks and context are asked.
        own: services that are known without the registry, by id.
        breakers: tell which endpoints are left alone.
        tally: counts the requests by reason, and what failed.
    """

    def __init__(
        self,
        client: OpenFeatureClient,
        own: Mapping[str, Service],
        breakers: Breakers,
        tally: Tally,
    ) -> None:
        self.enabled = True
        self._client = client
        self._own = own
        self._breakers = breakers
        self._tally = tally
        self._direct_hooks = DirectHooks()

    def route(self, request: Request) -> Route:
        """Choose where a request goes; never raises."""
        try:
            route = self._route(request)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an experiment could not be evaluated; own service used")
            route = self._own_route(request, RouteReason.FLAG_ERROR)
        self._tally.count(route.reason.value)
        return route

    def own_service(self, route: Route) -> tuple[Service | None, str]:
        """The caller's own service, and the variant that it is (`own` if it is none)."""
        return self._service(route.own_service_id), self._own_variant(
            route.experiment, route.own_service_id
        )

    def _route(self, request: Request) -> Route:
        if not self.enabled:
            return self._own_route(request, RouteReason.SWITCHED_OFF)
        provider = self._client.provider
        if (
            not isinstance(provider, TritonProvider)
            or self._client.get_provider_status() in _NOT_READY
        ):
            return self._own_route(request, RouteReason.NOT_READY)
        context = request.context(around(self._client))
        if not context.targeting_key:
            return self._own_route(request, RouteReason.NO_TARGETING_KEY)
        started_ns = perf_counter_ns()
        found = provider.assign(
            request.task_type, request.language.tag, context.targeting_key, context.attributes
        )
        if isinstance(found, RouteReason):
            return self._own_route(request, found)
        service = provider.services.get(found.service_id)
        resolution = provider.resolution(found, service, {})
        duration_us = (perf_counter_ns() - started_ns) / 1e3
        details = self._evaluated(provider, found.experiment, resolution, context, duration_us)
        if details.error_code is not None or details.variant is None:
            return self._own_route(request, _refusal(service))
        target_id = details.value["service_id"]
        if target_id != found.service_id:  # a hook wanted another context
            service = provider.services.get(target_id)
        return self._experiment_route(request, context.targeting_key, details, service)

    def _evaluated(
        self,
        provider: TritonProvider,
        flag_key: str,
        resolution: FlagResolutionDetails[Any],
        context: EvaluationContext,
        duration_us: float,
    ) -> FlagEvaluationDetails[Any]:
        """Let the hooks hear of an evaluation; give what the SDK would, or does."""
        hooks = (*get_hooks(), *self._client.hooks, *provider.get_provider_hooks())
        told = self._direct_hooks.among(hooks)
        if told is None:
            return evaluate_by_sdk(self._client, provider, flag_key, resolution, context)
        details = resolution.to_flag_evaluation_details(flag_key)
        for hook in told:
            try:
                hook.finished(details, context, duration_us)
            except Exception:  # noqa: BLE001 - as in the SDK, a hook's trouble ends there
                self._tally.trouble("a hook failed; the request goes on")
        return details

    def _experiment_route(
        self,
        request: Request,
        targeting_key: str,
        details: FlagEvaluationDetails[Any],
        service: Service | None,
    ) -> Route:
        """Route to the assigned variant's service, or past it while its breaker is open."""
        variant = served = details.variant or ""
        target_id, reason = details.value["service_id"], RouteReason.EXPERIMENT
        if details.flag_metadata.get(FORCED) is True:
            reason = RouteReason.FORCED
        service = self._own.get(target_id, service)
        is_other = target_id != request.service_id and reason is RouteReason.EXPERIMENT
        if is_other and service is not None and not self._breakers.allows(service):
            target_id, reason = request.service_id, RouteReason.ENDPOINT_FAILING
            service = self._service(target_id)
            served = self._own_variant(details.flag_key, target_id)
        return Route(
            task_type=request.task_type,
            language=request.language.tag,
            targeting_key=targeting_key,
            service_id=target_id,
            service=service,
            reason=reason,
            own_service_id=request.service_id,
            experiment=details.flag_key,
            phase=str(details.flag_metadata.get("phase", "")),
            variant=variant,
            served=served,
            unit=str(details.flag_metadata.get("unit", "request")),
        )

    def _own_route(self, request: Request, reason: RouteReason) -> Route:
        return Route(
            task_type=request.task_type,
            language=request.language.tag,
            targeting_key=request.targeting_key,
            service_id=request.service_id,
            service=self._service(request.service_id),
            reason=reason,
            own_service_id=request.service_id,
        )

    def _own_variant(self, experiment: str, service_id: str) -> str:
        """The variant that a caller's own service is in an experiment; `own` if it is none."""
        provider = self._client.provider
        document = provider.document if isinstance(provider, TritonProvider) else None
        known = document.experiments.get(experiment) if document else None
        services = known.services if known else {}
        return next((name for name, each in services.items() if each == service_id), OWN)

    def _service(self, service_id: str) -> Service | None:
        """A service by its id; None if nobody knows it, or looking it up fails."""
        try:
            service, provider = self._own.get(service_id), self._client.provider
            if service is None and isinstance(provider, TritonProvider):
                service = provider.services.get(service_id)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("a service could not be looked up")
            return None
        return service


def _refusal(service: Service | None) -> RouteReason:
    """Why an experiment that took the request could not give it its variant's service."""
    if service is None:
        return RouteReason.UNKNOWN_SERVICE
    return RouteReason.FLAG_ERROR if service.published else RouteReason.UNPUBLISHED_SERVICE
