"""Any OpenFeature provider as the one who evaluates: flagd's RPC, OFREP, in-memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, OpenFeatureError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType
from openfeature.hook import Hook
from openfeature.provider import FeatureProvider

from openfeature_triton.provider.evaluator import failed

Emit = Callable[[ProviderEvent, ProviderEventDetails], None]


class ProviderFlags:
    """Evaluates with another provider; what it raises becomes details with the caller's default.

    There is no document, so there are no phases and no experiments of a task type: for evaluation
    by flag key alone. Its events are passed on, its hooks run.
    """

    def __init__(self, provider: FeatureProvider) -> None:
        self.provider = provider
        self._resolve: dict[FlagType, Callable[..., FlagResolutionDetails[Any]]] = {
            FlagType.BOOLEAN: provider.resolve_boolean_details,
            FlagType.STRING: provider.resolve_string_details,
            FlagType.INTEGER: provider.resolve_integer_details,
            FlagType.FLOAT: provider.resolve_float_details,
            FlagType.OBJECT: provider.resolve_object_details,
        }

    def start(self, context: EvaluationContext, emit: Emit) -> None:
        """Initialise the provider, its events going to `emit`; raises what it raises."""
        self.provider.attach(lambda _provider, event, details: emit(event, details))
        self.provider.initialize(context)

    def close(self) -> None:
        """Shut the provider down."""
        self.provider.shutdown()
        self.provider.detach()

    def hooks(self) -> list[Hook]:
        """The hooks that the provider wants to have run."""
        return self.provider.get_provider_hooks()

    def resolve(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        """Evaluate one flag; an error is in the details, not raised."""
        try:
            return self._resolve[flag_type](key, default, context)
        except OpenFeatureError as error:
            return failed(default, error.error_code, error.error_message or str(error))
        except Exception as error:  # noqa: BLE001 - somebody else's code must not fail a request
            return failed(default, ErrorCode.GENERAL, f"flag {key!r}: {type(error).__name__}")
