"""Router: from a request to its route, by one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns

from openfeature.client import OpenFeatureClient
from openfeature.provider import ProviderStatus

from openfeature_triton.provider.announcer import Announcer
from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.request import Request, around
from openfeature_triton.provider.route import OWN, Route, RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

# Looking a member up in its enum, hashing it, or asking whether something is one, takes longer than
# these comparisons.
_NOT_READY, _FATAL = ProviderStatus.NOT_READY, ProviderStatus.FATAL
_EXPERIMENT, _FORCED = RouteReason.EXPERIMENT, RouteReason.FORCED
_CONCLUDED = RouteReason.CONCLUDED


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
        self._announcer = Announcer(client, tally)

    def route(self, request: Request) -> Route:
        """Choose where a request goes; never raises."""
        try:
            route = self._route(request)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an experiment could not be evaluated; own service used")
            route = self._own_route(request, RouteReason.FLAG_ERROR)
        self._tally.count(route.reason._value_)  # without the property's detour
        return route

    def own_service(self, route: Route) -> tuple[Service | None, str]:
        """The caller's own service, and the variant that it is (`own` if it is none)."""
        own = route.own_service_id
        return self._service(own), self._own_variant(route.experiment, own)

    def provider_counts(self) -> Mapping[str, int]:
        """What the provider has counted."""
        provider = self._client.provider
        return provider.counts() if isinstance(provider, TritonProvider) else {}

    def _route(self, request: Request) -> Route:
        provider = self._provider()
        if not isinstance(provider, TritonProvider):
            return self._own_route(request, provider)
        context = request.context(around(self._client))
        key = context.targeting_key
        started_ns = perf_counter_ns()
        found = provider.assign(request.task_type, request.language.tag, key, context.attributes)
        if not key and (not isinstance(found, Assignment) or found.phase):
            return self._own_route(request, RouteReason.NO_TARGETING_KEY)
        if not isinstance(found, Assignment):
            return self._own_route(request, found)
        service = provider.services.get(found.service_id)
        heard = self._announcer.announce(provider, found, service, context, started_ns)
        if heard is not None and heard.service_id != found.service_id:
            service = provider.services.get(heard.service_id)  # a hook wanted another context
        if heard is None or service is None:
            return self._own_route(request, _refusal(service))
        return self._experiment_route(request, key, heard, service)

    def _provider(self) -> TritonProvider | RouteReason:
        """The provider that assigns, or the reason why none does."""
        if not self.enabled:
            return RouteReason.SWITCHED_OFF
        provider, status = self._client.provider, self._client.get_provider_status()
        if not isinstance(provider, TritonProvider) or status is _NOT_READY or status is _FATAL:
            return RouteReason.NOT_READY
        return provider

    def _experiment_route(
        self,
        request: Request,
        targeting_key: str | None,
        assignment: Assignment,
        service: Service | None,
    ) -> Route:
        """Route to the assigned variant's service, or past it while its breaker is open."""
        experiment, phase, variant, service_id, forced, metadata = assignment
        served, reason = variant, _EXPERIMENT if phase else _CONCLUDED
        if forced:
            reason = _FORCED
        service = self._own.get(service_id, service)
        is_other = service_id != request.service_id and not forced
        if is_other and service is not None and not self._breakers.allows(service):
            service_id, reason = request.service_id, RouteReason.ENDPOINT_FAILING
            service = self._service(service_id)
            served = self._own_variant(experiment, service_id)
        return Route(  # by position: names take as long again
            request.task_type,
            request.language.tag,
            targeting_key,
            service_id,
            service,
            reason,
            request.service_id,
            experiment,
            phase,
            variant,
            served,
            str(metadata.get("unit", "request")),
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
