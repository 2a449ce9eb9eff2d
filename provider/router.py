"""Router: from a request to its route, by one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import NamedTuple

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.provider.announcer import Announcer
from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.direct_hooks import Listener, Told
from openfeature_triton.provider.placement import Placed, Placement, place
from openfeature_triton.provider.request import Attributes, Kind, context_of, kind_of
from openfeature_triton.provider.route import OWN, Route, RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

_MOST_KNOWN = 4096
_LONGEST_TAG = 100  # the language comes from outside and is remembered; no tag is as long


class _Assigned(NamedTuple):
    """What an assignment comes to, as long as its service and the hooks stay the same.

    `service` is the registry's; `refusal` why requests go home all the same, if they do;
    `listeners` hear of each request.
    """

    assignment: Assignment
    service: Service | None
    hooks: Told
    listeners: tuple[Listener, ...]
    refusal: RouteReason | None
    placement: Placement


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
        self._own = dict(own)
        self._breakers = breakers
        self._tally = tally
        self._announcer = Announcer(client, tally)
        self._assigned: dict[tuple[Kind, int, int], _Assigned] = {}
        self._at_home: dict[tuple[Kind, str], Placement] = {}

    def place(
        self,
        task_type: str,
        service_id: str,
        language: str,
        targeting_key: str | None,
        attributes: Attributes,
    ) -> Placed:
        """Find where a request goes; never raises."""
        try:
            tag = language[:_LONGEST_TAG] if isinstance(language, str) else ""
            kind = kind_of(task_type, tag, service_id)
            placed = self._place(kind, targeting_key, attributes)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an experiment could not be evaluated; own service used")
            kind, own = Kind(task_type, "", service_id, {}), self._service(service_id)
            placed = place(_home_route(kind, own, RouteReason.FLAG_ERROR)), targeting_key
        self._tally.count(placed[0].route.reason._value_)  # without the property's detour
        return placed

    def own_service(self, route: Route) -> tuple[Service | None, str]:
        """The caller's own service, and the variant that it is (`own` if it is none)."""
        own = route.own_service_id
        return self._service(own), self._own_variant(route.experiment, own)

    def provider_counts(self) -> Mapping[str, int]:
        """What the provider has counted."""
        provider = self._client.provider
        return provider.counts() if isinstance(provider, TritonProvider) else {}

    def _place(self, kind: Kind, targeting_key: str | None, attributes: Attributes) -> Placed:
        provider = self._client.provider
        if not self.enabled:
            return self._home(kind, RouteReason.SWITCHED_OFF), targeting_key
        if not isinstance(provider, TritonProvider):
            return self._home(kind, RouteReason.NOT_READY), targeting_key
        context = context_of(self._client, kind, targeting_key, attributes)
        key, started_ns = context.targeting_key, perf_counter_ns()
        found = provider.assign(kind.task_type, kind.language, key, context.attributes)
        if not key and (not isinstance(found, Assignment) or found.phase):
            found = RouteReason.NO_TARGETING_KEY
        if not isinstance(found, Assignment):
            return self._home(kind, found), targeting_key
        placement = self._announced(provider, kind, found, context, started_ns)
        if self._breakers.failing and placement.may_rest:
            placement = self._past_open_breaker(placement)
        return placement, key

    def _announced(
        self,
        provider: TritonProvider,
        kind: Kind,
        found: Assignment,
        context: EvaluationContext,
        started_ns: int,
    ) -> Placement:
        """Where an assignment leads, once the hooks have heard of it."""
        service, of_provider = (
            provider.services.get(found.service_id),
            provider.get_provider_hooks(),
        )
        hooks = self._announcer.direct(of_provider)
        if hooks is None:
            heard = self._announcer.by_sdk(provider, of_provider, found, service, context)
            return self._heard(provider, kind, found, service, heard)
        known = self._assigned.get((kind, id(found), len(hooks)))  # telemetry's comes and goes
        if (
            known is None
            or known.assignment is not found
            or known.service is not service
            or known.hooks is not hooks
        ):
            known = self._work_out(provider, kind, found, service, hooks)
        self._announcer.tell(known.listeners, context, (perf_counter_ns() - started_ns) / 1e3)
        if known.refusal is not None:
            return self._home(kind, known.refusal)
        return known.placement

    def _work_out(
        self,
        provider: TritonProvider,
        kind: Kind,
        found: Assignment,
        service: Service | None,
        hooks: Told,
    ) -> _Assigned:
        """What an assignment comes to, remembered for the requests that follow."""
        listeners, is_usable = self._announcer.listeners(provider, found, service, hooks)
        refusal = None if is_usable else _refusal(service)
        placement = self._variant_placement(kind, found, service)
        known = _Assigned(found, service, hooks, listeners, refusal, placement)
        if len(self._assigned) >= _MOST_KNOWN:
            self._assigned.clear()  # documents change
        self._assigned[kind, id(found), len(hooks)] = known
        return known

    def _heard(
        self,
        provider: TritonProvider,
        kind: Kind,
        found: Assignment,
        service: Service | None,
        heard: Assignment | None,
    ) -> Placement:
        """Where leads what hooks of the SDK have left of an assignment, if anything."""
        if heard is not None and heard.service_id != found.service_id:
            service = provider.services.get(heard.service_id)  # a hook wanted another context
        if heard is None or service is None:
            return self._home(kind, _refusal(service))
        return self._variant_placement(kind, heard, service)

    def _variant_placement(
        self, kind: Kind, assignment: Assignment, service: Service | None
    ) -> Placement:
        experiment, phase, variant, service_id, forced, metadata = assignment
        reason = RouteReason.EXPERIMENT if phase else RouteReason.CONCLUDED
        route = Route(
            task_type=kind.task_type,
            language=kind.language,
            targeting_key=None,
            service_id=service_id,
            service=self._own.get(service_id, service),
            reason=RouteReason.FORCED if forced else reason,
            own_service_id=kind.service_id,
            experiment=experiment,
            phase=phase,
            variant=variant,
            served=variant,
            unit=str(metadata.get("unit", "request")),
        )
        return place(route)

    def _past_open_breaker(self, placement: Placement) -> Placement:
        """The way past an assigned service if that is left alone."""
        route = placement.route
        if route.service is None or self._breakers.allows(route.service):
            return placement
        service, served = self.own_service(route)
        return place(
            route._replace(
                service_id=route.own_service_id,
                service=service,
                served=served,
                reason=RouteReason.ENDPOINT_FAILING,
            )
        )

    def _home(self, kind: Kind, reason: RouteReason) -> Placement:
        """The way to the caller's own service."""
        service, key = self._service(kind.service_id), (kind, reason._value_)
        known = self._at_home.get(key)
        if known is None or known.route.service is not service:
            known = place(_home_route(kind, service, reason))
            if len(self._at_home) >= _MOST_KNOWN:
                self._at_home.clear()
            self._at_home[key] = known
        return known

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


def _home_route(kind: Kind, service: Service | None, reason: RouteReason) -> Route:
    return Route(
        task_type=kind.task_type,
        language=kind.language,
        targeting_key=None,
        service_id=kind.service_id,
        service=service,
        reason=reason,
        own_service_id=kind.service_id,
    )


def _refusal(service: Service | None) -> RouteReason:
    """Why an experiment that took the request could not give it its variant's service."""
    if service is None:
        return RouteReason.UNKNOWN_SERVICE
    return RouteReason.FLAG_ERROR if service.published else RouteReason.UNPUBLISHED_SERVICE
