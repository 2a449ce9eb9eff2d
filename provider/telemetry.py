"""Telemetry: which variant a request got, on the span that traces it.

Where `opentelemetry` (its API alone) is installed, the current span gets OpenFeature's semantic
attributes `feature_flag.*` and `ab_test.*`; where it is not, nothing is imported and no hook runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagType, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import Metadata
from openfeature.telemetry import create_evaluation_event

from openfeature_triton.provider.tally import Tally

EXPERIMENT_ID = "ab_test.experiment_id"
VARIANT_ID = "ab_test.variant_id"
VARIANT_NAME = "ab_test.variant_name"


def telemetry_hook(provider: Metadata, tally: Tally) -> TelemetryHook | None:
    """The hook that a provider brings where OpenTelemetry is installed."""
    try:
        if find_spec("opentelemetry.trace") is None:
            return None
    except ImportError:  # the parent package is not there
        return None
    return TelemetryHook(import_module("opentelemetry.trace"), provider, tally)


class TelemetryHook(Hook):
    """Writes each evaluation onto the current span, if that is recorded at all; never raises.

    Args:
        trace: the module `opentelemetry.trace`.
        provider: whose evaluations they are.
        tally: counts what a tracer fails at.
    """

    def __init__(self, trace: Any, provider: Metadata, tally: Tally) -> None:
        self._trace = trace
        self._provider = provider
        self._tally = tally

    def is_wanted(self) -> bool:
        """Whether the current span takes attributes; never raises.

        The SDK's stages around a hook take half as long as an evaluation, most often for nothing.
        """
        try:
            return bool(self._trace.get_current_span().is_recording())
        except Exception:  # noqa: BLE001 - tracing must never fail a request
            self._tally.trouble("a span did not take which variant a request got")
            return False

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,  # noqa: ARG002
    ) -> None:
        """Set the attributes of one evaluation."""
        self.evaluation_finished(details, hook_context.evaluation_context, 0.0)

    def evaluation_finished(
        self,
        details: FlagEvaluationDetails[Any],
        context: EvaluationContext,
        duration_us: float,  # noqa: ARG002 - of no use here, as the span has its own
    ) -> None:
        """Set the attributes of one evaluation, without the SDK."""
        try:
            span = self._trace.get_current_span()
            if span.is_recording():
                span.set_attributes(span_attributes(details, context, self._provider))
        except Exception:  # noqa: BLE001 - tracing must never fail a request
            self._tally.trouble("a span did not take which variant a request got")


def span_attributes(
    details: FlagEvaluationDetails[Any], context: EvaluationContext, provider: Metadata
) -> Mapping[str, str]:
    """What a span says of one evaluation; `ab_test.*` only for a variant of an experiment.

    `ab_test.variant_id` is `<experiment>/<variant>`, which no other experiment's variant has.
    """
    evaluated = HookContext(
        details.flag_key, FlagType.OBJECT, {}, context, provider_metadata=provider
    )
    event = create_evaluation_event(evaluated, details)
    attributes = {str(name): str(value) for name, value in event.attributes.items()}
    if details.flag_metadata.get("experiment") is True and details.variant:
        attributes[EXPERIMENT_ID] = details.flag_key
        attributes[VARIANT_ID] = f"{details.flag_key}/{details.variant}"
        attributes[VARIANT_NAME] = details.variant
    return attributes
