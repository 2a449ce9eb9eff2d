"""Experiments: the one integration point of a service.

with experiments.infer("nmt", language="hi", targeting_key=request_id,
                       service_id="nmt-indictrans2") as call:
    result = call.client.infer(call.model_name, inputs)
    call.record(output_characters=len(text))
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.track import TrackingEventDetails

from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.calls import AsyncCall, Call, Outcome
from openfeature_triton.provider.catalogue import Match
from openfeature_triton.provider.clients import TritonClients
from openfeature_triton.provider.credit_token import BadTokenError, Credited, TokenSigner
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.language import in_language, in_primary_language
from openfeature_triton.provider.route import OWN, Route, RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

_log = logging.getLogger(__name__)

Attributes = Mapping[str, str | int | float | bool]
T = TypeVar("T")


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
        self._enabled = settings.experiments
        self._deadline_s = settings.deadline_s
        self.clients = TritonClients(settings)
        self.breakers = Breakers(settings.breaker_failures, settings.breaker_rest_s)
        self.tally = Tally(_log)
        keys = settings.token_key if settings.token_key.get_secret_value() else settings.keys
        self._signer = TokenSigner(keys, settings.token_ttl_s)

    def enable(self) -> None:
        """Let requests take part in experiments (again)."""
        self._enabled = True

    def disable(self) -> None:
        """Send each request to its caller's own service from now on."""
        self._enabled = False

    def counts(self) -> Mapping[str, int]:
        """How many requests were routed for each `RouteReason`; `fallback_<error class>`, too."""
        return self.tally.counts()

    def stats(self) -> Mapping[str, Any]:
        """What operators ask for: `counts`, breakers that are not closed, how often one opened."""
        return {
            "counts": self.counts(),
            "breakers": self.breakers.states(),
            "breakers_opened": self.breakers.opened,
        }

    def close(self) -> None:
        """Close the pooled Triton clients; asynchronous ones are closed with their event loop."""
        self.clients.close()

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
            language: a BCP 47 tag. Targeting sees its canonical form as `language` and its first
                subtag as `language_primary`; a flag that names `hi` takes `hi-IN` as well.
            targeting_key: the unit that is randomised, a request id or a user id.
            attributes: what else the flag's targeting may look at.
        """
        context = EvaluationContext(
            targeting_key, {**attributes, "task_type": task_type, "language": language}
        )
        context = in_language(context)
        language = str(context.attributes["language"])
        try:
            route = self._assigned(task_type, language, context, service_id)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self.tally.trouble("an experiment could not be evaluated; own service used")
            route = self._own_route(
                task_type, language, context, service_id, RouteReason.FLAG_ERROR
            )
        self.tally.count(route.reason.value)
        return route

    def infer(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
        deadline_s: float | None = None,
    ) -> Call:
        """Route a request and measure its inference: a context manager that gives the `Call`.

        Arguments as for `route`. What the block raises is recorded by its class and goes on; what
        its Triton client has not answered by `deadline_s` seconds (`OFT_DEADLINE_S`) is cut off
        by DeadlineExceededError.
        """
        route = self.route(
            task_type,
            service_id=service_id,
            language=language,
            targeting_key=targeting_key,
            attributes=attributes,
        )
        return Call(route, self, deadline_s or self._deadline_s)

    def infer_async(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
        deadline_s: float | None = None,
    ) -> AsyncCall:
        """As `infer`, for `async with`: the `AsyncCall` has the event loop's own client."""
        route = self.route(
            task_type,
            service_id=service_id,
            language=language,
            targeting_key=targeting_key,
            attributes=attributes,
        )
        return AsyncCall(route, self, deadline_s or self._deadline_s)

    def call(
        self,
        fn: Callable[[Call], T],
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
        deadline_s: float | None = None,
    ) -> T:
        """Give what `fn(call)` gives on the assigned service, or else on the caller's own.

        `fn` is run a second time, on the caller's own service, where the assigned endpoint is
        unreachable, refuses, times out or answers 5xx, 401 or 403; both within `deadline_s`, the
        first within half of it. It should do the inference and nothing that may not happen twice.
        Arguments and errors as for `infer`.
        """
        return self.infer(
            task_type,
            service_id=service_id,
            language=language,
            targeting_key=targeting_key,
            attributes=attributes,
            deadline_s=deadline_s,
        ).run(fn)

    async def call_async(
        self,
        fn: Callable[[AsyncCall], Awaitable[T]],
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = MappingProxyType({}),
        deadline_s: float | None = None,
    ) -> T:
        """As `call`, for a coroutine function."""
        call = self.infer_async(
            task_type,
            service_id=service_id,
            language=language,
            targeting_key=targeting_key,
            attributes=attributes,
            deadline_s=deadline_s,
        )
        return await call.run(fn)

    def credit(self, token: str, **metrics: float) -> bool:
        """Add custom metrics to the variant and phase of an earlier call, e.g. `bleu_score=0.4`.

        `token` is that call's, in this process or another with the same key, up to
        `OFT_TOKEN_TTL_S` before. Says whether it was taken; one that is forged, foreign or too old
        is refused and counted (`forged_token`, `expired_token`). Never raises.
        """
        try:
            credited = self._signer.read(token)
            attributes: dict[str, Any] = {**credited._asdict(), "metrics": metrics}
            self._client.track(
                "credit", EvaluationContext(), TrackingEventDetails(attributes=attributes)
            )
        except BadTokenError as refused:
            self.tally.count(refused.reason)
            return False
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self.tally.trouble("a later outcome was not credited")
            return False
        self.tally.count("credited")
        return True

    # What calls ask for

    def own_service(self, route: Route) -> tuple[Service | None, str]:
        """The caller's own service, and the variant that it is (`own` if it is none)."""
        return self._service(route.own_service_id), self._own_variant(
            route.experiment, route.own_service_id
        )

    def record(self, outcome: Outcome) -> None:
        """Record an outcome as an OpenFeature tracking event; never raises."""
        route = outcome.route
        attributes: dict[str, Any] = {
            "experiment": route.experiment,
            "phase": route.phase,
            "variant": route.variant,
            "served": outcome.served,
            "task_type": route.task_type,
            "language": route.language,
            "unit": route.unit,
            "success": not outcome.error_class,
            "error_class": outcome.error_class,
            "metrics": outcome.metrics,
        }
        try:
            self._client.track(
                "inference",
                EvaluationContext(route.targeting_key),
                TrackingEventDetails(outcome.latency_ms, attributes),
            )
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self.tally.trouble("an outcome was not recorded; the request goes on")

    def token(self, route: Route, served: str) -> str:
        """Sign what a later outcome is credited to; empty outside experiments, or without a key."""
        if not route.is_experiment:
            return ""
        credited = Credited(
            route.experiment,
            route.phase,
            route.variant,
            served,
            route.service_id,
            route.task_type,
            route.language,
        )
        if not self._signer.can_sign:
            self.tally.trouble("no credit token was signed: set OFT_TOKEN_KEY or OFT_KEYS")
        return self._signer.sign(credited)

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
        return self._experiment_route(task_type, language, context, service_id, details)

    def _match(self, task_type: str, context: EvaluationContext) -> Match | RouteReason:
        if not self._enabled:
            return RouteReason.SWITCHED_OFF
        provider = self._client.provider
        if not isinstance(provider, TritonProvider):
            return RouteReason.NOT_READY
        if not context.targeting_key:
            return RouteReason.NO_TARGETING_KEY
        found = provider.match(task_type, context)
        if found is RouteReason.NO_MATCH:
            primary = in_primary_language(context)
            if primary is not None:
                return provider.match(task_type, primary)
        return found

    def _experiment_route(
        self,
        task_type: str,
        language: str,
        context: EvaluationContext,
        service_id: str,
        details: FlagEvaluationDetails[Any],
    ) -> Route:
        """Route to the assigned variant's service, or past it while its breaker is open."""
        variant = served = details.variant or ""
        target_id, reason = details.value["service_id"], RouteReason.EXPERIMENT
        if details.flag_metadata.get(FORCED) is True:
            reason = RouteReason.FORCED
        service = self._service(target_id)
        is_other = target_id != service_id and reason is RouteReason.EXPERIMENT
        if is_other and service is not None and not self.breakers.allows(service):
            target_id, reason = service_id, RouteReason.ENDPOINT_FAILING
            service = self._service(service_id)
            served = self._own_variant(details.flag_key, service_id)
        return Route(
            task_type=task_type,
            language=language,
            targeting_key=context.targeting_key,
            service_id=target_id,
            service=service,
            reason=reason,
            own_service_id=service_id,
            experiment=details.flag_key,
            phase=str(details.flag_metadata.get("phase", "")),
            variant=variant,
            served=served,
            unit=str(details.flag_metadata.get("unit", "request")),
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
            own_service_id=service_id,
        )

    def _own_variant(self, experiment: str, service_id: str) -> str:
        """The variant that a caller's own service is in an experiment; `own` if it is none."""
        provider = self._client.provider
        document = provider.document if isinstance(provider, TritonProvider) else None
        known = document.experiments.get(experiment) if document else None
        services = known.services if known else {}
        return next((name for name, each in services.items() if each == service_id), OWN)

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
