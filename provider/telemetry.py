"""Telemetry: which variant a request got, on the span that traces it.

Where `opentelemetry` (its API alone) is installed, the current span gets OpenFeature's semantic
attributes `feature_flag.*` and `ab_test.*`; where it is not, nothing is imported and no hook runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.telemetry import create_evaluation_event

EXPERIMENT_ID = "ab_test.experiment_id"
VARIANT_ID = "ab_test.variant_id"
VARIANT_NAME = "ab_test.variant_name"


def telemetry_hooks() -> list[Hook]:
    """The hook that a provider brings: one where OpenTelemetry is installed, else none."""
    try:
        if find_spec("opentelemetry.trace") is None:
            return []
    except ImportError:  # the parent package is not there
        return []
    return [TelemetryHook(import_module("opentelemetry.trace"))]


class TelemetryHook(Hook):
    """Writes each evaluation onto the current span, if that is recorded at all; never raises.

    Args:
        trace: the module `opentelemetry.trace`.
    """

    def __init__(self, trace: Any) -> None:
        self._trace = trace

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,  # noqa: ARG002
    ) -> None:
        """Set the attributes of one evaluation."""
        try:
            span = self._trace.get_current_span()
            if span.is_recording():
                span.set_attributes(span_attributes(hook_context, details))
        except Exception:  # noqa: BLE001, S110 - a tracer's trouble is its own to tell
            pass


def span_attributes(
    hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType]
) -> Mapping[str, str]:
    """What a span says of one evaluation; `ab_test.*` only for a variant of an experiment.

    `ab_test.variant_id` is `<experiment>/<variant>`, which no other experiment's variant has.
    """
    event = create_evaluation_event(hook_context, details)
    attributes = {str(name): str(value) for name, value in event.attributes.items()}
    if details.flag_metadata.get("experiment") is True and details.variant:
        attributes[EXPERIMENT_ID] = details.flag_key
        attributes[VARIANT_ID] = f"{details.flag_key}/{details.variant}"
        attributes[VARIANT_NAME] = details.variant
    return attributes
