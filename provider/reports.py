"""Reports: what came of requests, as OpenFeature tracking events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.provider.credit_token import Credited
from openfeature_triton.provider.request import around
from openfeature_triton.provider.route import Route
from openfeature_triton.provider.tally import Tally


class Reports:
    """Hands tracking events to the client's provider, as `client.track` does.

    It does not for each outcome, since the SDK merges contexts that are hardly ever there.
    """

    def __init__(self, client: OpenFeatureClient, tally: Tally) -> None:
        self._client = client
        self._tally = tally

    def outcome(
        self,
        route: Route,
        served: str,
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float],
    ) -> None:
        """Report what an inference did; never raises.

        `served` differs from the route's variant after a fallback; `error_class` is empty for
        success.
        """
        try:
            provider: Any = self._client.provider
            direct = getattr(provider, "track_inference", None)
            if direct is not None:
                named = (
                    route.experiment,
                    route.phase,
                    route.variant,
                    served,
                    route.task_type,
                    route.language,
                )
                key = route.targeting_key if route.unit == "user" else None
                direct(named, latency_ms, error_class, metrics, key)
            else:
                self._track(route, served, latency_ms, error_class, metrics)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an outcome was not recorded; the request goes on")

    def _track(
        self,
        route: Route,
        served: str,
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float],
    ) -> None:
        """Report an outcome as an event, in the context that `client.track` would give it."""
        attributes: dict[str, Any] = {
            "experiment": route.experiment,
            "phase": route.phase,
            "variant": route.variant,
            "served": served,
            "task_type": route.task_type,
            "language": route.language,
            "unit": route.unit,
            "success": not error_class,
            "error_class": error_class,
            "metrics": metrics,
        }
        context, said = EvaluationContext(route.targeting_key), around(self._client)
        if said is not None:
            context = said.merge(context)
        details = TrackingEventDetails(latency_ms, attributes)
        self._client.provider.track("inference", context, details)

    def credit(self, credited: Credited, metrics: Mapping[str, float]) -> None:
        """Report later metrics of an earlier request; raises what a foreign provider raises."""
        attributes: dict[str, Any] = {**credited._asdict(), "metrics": metrics}
        self._client.track("credit", EvaluationContext(), TrackingEventDetails(None, attributes))

    def breaker(self, service_id: str, state: str) -> None:
        """Report that a service is left alone (`open`), or no more (`closed`); never raises."""
        details = TrackingEventDetails(None, {"service_id": service_id, "state": state})
        try:
            self._client.provider.track("breaker", EvaluationContext(), details)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("a breaker was not reported; the request goes on")
