"""Reports: what came of requests, as OpenFeature tracking events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.provider.credit_token import Credited
from openfeature_triton.provider.direct_tracking import Named
from openfeature_triton.provider.placement import Placed
from openfeature_triton.provider.request import around
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
        placed: Placed,
        served: str,
        latency_ms: float,
        error_class: str,
        metrics: Mapping[str, float],
    ) -> None:
        """Report what an inference did; never raises.

        `served` differs from the variant after a fallback; `error_class` is empty for success.
        """
        try:
            placement, targeting_key = placed
            named, provider = placement.named, cast("Any", self._client.provider)
            if served is not named.served:
                named = named._replace(served=served)
            direct = getattr(provider, "track_inference", None)
            if direct is not None:
                key = targeting_key if placement.is_by_user else None
                direct(named, latency_ms, error_class, metrics, key)
            else:
                event = _event(named, placement.route.unit, latency_ms, error_class, metrics)
                provider.track("inference", self._context(targeting_key), event)
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("an outcome was not recorded; the request goes on")

    def _context(self, targeting_key: str | None) -> EvaluationContext:
        """The context that `client.track` would give an event."""
        context, outer = EvaluationContext(targeting_key), around(self._client)
        return context if outer is None else outer.merge(context)

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


def _event(
    named: Named, unit: str, latency_ms: float, error_class: str, metrics: Mapping[str, float]
) -> TrackingEventDetails:
    """An outcome as an event."""
    attributes: dict[str, Any] = {
        **named._asdict(),
        "unit": unit,
        "success": not error_class,
        "error_class": error_class,
        "metrics": metrics,
    }
    return TrackingEventDetails(latency_ms, attributes)
