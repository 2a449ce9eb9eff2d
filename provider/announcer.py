"""Announcer: lets OpenFeature's hooks hear of assignments, by the SDK only where they need it."""

from __future__ import annotations

from typing import Any

from openfeature.api import get_hooks
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.hook import Hook

from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.decided import DecidedProvider, evaluate_by_sdk
from openfeature_triton.provider.direct_hooks import DirectHooks, Listener, Told, listeners
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.triton_provider import TritonProvider


class Announcer:
    """Tells the hooks of API, client and provider of each assignment."""

    def __init__(self, client: OpenFeatureClient, tally: Tally) -> None:
        self._client = client
        self._tally = tally
        self._direct_hooks = DirectHooks()

    def direct(self, of_provider: list[Hook]) -> Told | None:
        """All hooks, the same object as long as they are the same; None if one needs the SDK."""
        return self._direct_hooks.among((*get_hooks(), *self._client.hooks, *of_provider))

    def listeners(
        self,
        provider: TritonProvider,
        assignment: Assignment,
        service: Service | None,
        hooks: Told,
    ) -> tuple[tuple[Listener, ...], bool]:
        """Who hears what the SDK would make of an assignment, and whether it can be used."""
        resolution = provider.resolution(assignment, service, {})
        details = resolution.to_flag_evaluation_details(assignment.experiment)
        return listeners(hooks, details), details.error_code is None

    def tell(
        self, hearing: tuple[Listener, ...], context: EvaluationContext, duration_us: float
    ) -> None:
        """Let the hooks hear of an evaluation, without the SDK."""
        for hear in hearing:
            try:
                hear(context, duration_us)
            except Exception:  # noqa: BLE001 - as in the SDK, a hook's trouble ends there
                self._tally.trouble("a hook failed; the request goes on")

    def by_sdk(
        self,
        provider: TritonProvider,
        of_provider: list[Hook],
        assignment: Assignment,
        service: Service | None,
        context: EvaluationContext,
    ) -> Assignment | None:
        """Let the SDK tell them; give what they leave of the assignment, None if it can't be used.

        `service` is what its id stands for.
        """
        resolution = provider.resolution(assignment, service, {})
        decided = DecidedProvider(provider, of_provider, resolution, context)
        details = evaluate_by_sdk(self._client, decided, assignment.experiment, context)
        is_usable = details.error_code is None and details.variant is not None
        return _assignment(details) if is_usable else None


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
