"""Announcer: lets OpenFeature's hooks hear of assignments, by the SDK only where they need it."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from openfeature.api import get_hooks
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails

from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.decided import DecidedProvider, evaluate_by_sdk
from openfeature_triton.provider.direct_hooks import DirectHooks, Told
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider

_Known = tuple[Assignment, "Service | None", FlagEvaluationDetails[Any]]


class Announcer:
    """Tells the hooks of API, client and provider of each assignment."""

    def __init__(self, client: OpenFeatureClient, tally: Tally) -> None:
        self._client = client
        self._tally = tally
        self._direct_hooks = DirectHooks()
        self._known: dict[tuple[str, str], _Known] = {}

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
            details = self._details(provider, assignment, service)
            self._tell(told, details, context, (perf_counter_ns() - started_ns) / 1e3)
            return assignment if details.error_code is None else None
        resolution = provider.resolution(assignment, service, {})
        decided = DecidedProvider(provider, of_provider, resolution, context)
        details = evaluate_by_sdk(self._client, decided, assignment.experiment, context)
        is_usable = details.error_code is None and details.variant is not None
        return _assignment(details) if is_usable else None

    def _details(
        self, provider: TritonProvider, assignment: Assignment, service: Service | None
    ) -> FlagEvaluationDetails[Any]:
        """What the SDK would make of an assignment; remembered, as each variant's is the same."""
        key = (assignment.experiment, assignment.variant)
        known = self._known.get(key)
        if known is not None and known[0] is assignment and known[1] is service:
            return known[2]
        resolution = provider.resolution(assignment, service, {})
        details = resolution.to_flag_evaluation_details(assignment.experiment)
        self._known[key] = (assignment, service, details)
        return details

    def _tell(
        self,
        hooks: Told,
        details: FlagEvaluationDetails[Any],
        context: EvaluationContext,
        duration_us: float,
    ) -> None:
        for hook in hooks:
            try:
                hook.evaluation_finished(details, context, duration_us)
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
