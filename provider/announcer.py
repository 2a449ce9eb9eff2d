"""Announcer: lets OpenFeature's hooks hear of assignments, by the SDK only where they need it."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, NamedTuple

from openfeature.api import get_hooks
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails

from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.decided import DecidedProvider, evaluate_by_sdk
from openfeature_triton.provider.direct_hooks import DirectHooks, Listener, Told, listeners
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider


class _Audience(NamedTuple):
    """Who hears of an assignment, which stays the same from one request of a variant to the next.

    `is_usable` says whether its service is.
    """

    assignment: Assignment
    service: Service | None
    hooks: Told
    listeners: tuple[Listener, ...]
    is_usable: bool


class Announcer:
    """Tells the hooks of API, client and provider of each assignment."""

    def __init__(self, client: OpenFeatureClient, tally: Tally) -> None:
        self._client = client
        self._tally = tally
        self._direct_hooks = DirectHooks()
        self._known: dict[tuple[str, str, bool, int], _Audience] = {}

    def announce(
        self,
        provider: TritonProvider,
        assignment: Assignment,
        service: Service | None,
        context: EvaluationContext,
        started_ns: int,
    ) -> Assignment | None:
        """Let the hooks hear; give what they leave of the assignment, None if it can't be used.

        `service` is what its id stands for; `started_ns` when evaluating began.
        """
        of_provider = provider.get_provider_hooks()
        told = self._direct_hooks.among((*get_hooks(), *self._client.hooks, *of_provider))
        if told is not None:
            audience = self._audience(provider, assignment, service, told)
            self._tell(audience, context, (perf_counter_ns() - started_ns) / 1e3)
            return assignment if audience.is_usable else None
        resolution = provider.resolution(assignment, service, {})
        decided = DecidedProvider(provider, of_provider, resolution, context)
        details = evaluate_by_sdk(self._client, decided, assignment.experiment, context)
        is_usable = details.error_code is None and details.variant is not None
        return _assignment(details) if is_usable else None

    def _audience(
        self, provider: TritonProvider, assignment: Assignment, service: Service | None, told: Told
    ) -> _Audience:
        """Who hears what the SDK would make of an assignment."""
        key = (assignment.experiment, assignment.variant, assignment.forced, len(told))
        known = self._known.get(key)
        if known is not None:
            before, of_service, hooks, _, _ = known
            if before == assignment and of_service is service and hooks is told:
                return known
        resolution = provider.resolution(assignment, service, {})
        details = resolution.to_flag_evaluation_details(assignment.experiment)
        is_usable = details.error_code is None
        known = _Audience(assignment, service, told, listeners(told, details), is_usable)
        self._known[key] = known
        return known

    def _tell(self, audience: _Audience, context: EvaluationContext, duration_us: float) -> None:
        for hear in audience.listeners:
            try:
                hear(context, duration_us)
            except Exception:  # noqa: BLE001 - as in the SDK, a hook's trouble ends there
                self._tally.trouble("a hook failed; the request goes on")


def _assignment(details: FlagEvaluationDetails[Any]) -> Assignment:
    """What was assigned, of an evaluation that gave a variant."""
    metadata = details.flag_metadata
    return Assignment(
        details.flag_key,
        str(metadata.get("phase", "")),
        details.variant or "",
        details.value["service_id"],
        metadata.get(FORCED) is True,
        metadata,
    )
