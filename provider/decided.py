"""Decided: an evaluation by the SDK, hooks and all, of what is decided already.

A request is evaluated once. Where hooks need the SDK, it is asked for the flag that was found, of
a provider that answers with what was found; so no change of the flags falls between.
"""

from __future__ import annotations

from typing import Any

from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus

from openfeature_triton.provider.triton_provider import TritonProvider


def evaluate_by_sdk(
    client: OpenFeatureClient,
    decided: DecidedProvider,
    flag_key: str,
    context: EvaluationContext,
) -> FlagEvaluationDetails[Any]:
    """Run the stages of all hooks around an answer that is known; give what they made of it."""
    return _DecidedClient(client, decided).get_object_details(flag_key, {}, context)


class DecidedProvider:
    """A provider for one request: what is known is the answer, unless a hook asks otherwise."""

    def __init__(
        self,
        provider: TritonProvider,
        hooks: list[Hook],
        resolution: FlagResolutionDetails[Any],
        context: EvaluationContext,
    ) -> None:
        self._provider = provider
        self._hooks = hooks
        self._resolution = resolution
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def get_provider_hooks(self) -> list[Hook]:
        """The provider's hooks, as they were when it was decided to ask the SDK."""
        return self._hooks

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext
    ) -> FlagResolutionDetails[Any]:
        """The answer; where a hook has changed the context, what the flag gives in that."""
        if evaluation_context == self._context:
            return self._resolution
        return self._provider.resolve_object_details(flag_key, default_value, evaluation_context)


class _DecidedClient(OpenFeatureClient):
    """The service's client, with its hooks and context, asking that provider."""

    def __init__(self, client: OpenFeatureClient, provider: DecidedProvider) -> None:
        super().__init__(client.domain, client.version, client.context, client.hooks)
        self._provider = provider

    @property
    def provider(self) -> Any:
        return self._provider

    def get_provider_status(self) -> ProviderStatus:
        return ProviderStatus.READY  # it has just answered
