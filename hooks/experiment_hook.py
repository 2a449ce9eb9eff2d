"""ExperimentHook: counts who was sent where, and how evaluating the flag went."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter_ns
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints

from openfeature_triton.hooks.recorder import Recorder
from openfeature_triton.hooks.series import Evaluation, Series

_STARTED_NS = "openfeature_triton.started_ns"

BAD_EVALUATION = "bad_evaluation"


class ExperimentHook(Hook):
    """Tells a recorder of each evaluation of an experiment's flag, and of each one that failed.

    An exposure is an evaluation that gave a variant. All is done when the evaluation is over, and
    can't change its outcome; `before` only looks at the clock, and can't raise. `Experiments` does
    without the SDK and calls `evaluation_finished` alone, which counts just the same.

    Args:
        recorder: takes the counts.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, hook_context: HookContext, hints: HookHints) -> None:  # noqa: ARG002
        """Look at the clock."""
        try:
            hook_context.hook_data[_STARTED_NS] = perf_counter_ns()
        except Exception:  # noqa: BLE001 - raising here would turn a good value into the default
            self._recorder.refused(BAD_EVALUATION)

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,  # noqa: ARG002
    ) -> None:
        """Count the evaluation, and the exposure if there was one."""
        try:
            context, duration_us = hook_context.evaluation_context, _duration_us(hook_context)
        except Exception:  # noqa: BLE001 - as below
            self._recorder.refused(BAD_EVALUATION)
        else:
            self.evaluation_finished(details, context, duration_us)

    def evaluation_finished(
        self, details: FlagEvaluationDetails[Any], context: EvaluationContext, duration_us: float
    ) -> None:
        """Count an evaluation that took `duration_us`, and the exposure if there was one."""
        self.listener(details)(context, duration_us)

    def listener(
        self, details: FlagEvaluationDetails[Any]
    ) -> Callable[[EvaluationContext, float], None]:
        """Give what counts an evaluation that ended so, for as many as end so."""
        recorder = self._recorder
        try:
            evaluation, series_in = counted_evaluation(details), exposed_series(details)
        except Exception:  # noqa: BLE001 - as below
            return lambda *_: recorder.refused(BAD_EVALUATION)

        def count(context: EvaluationContext, duration_us: float) -> None:
            """Count one such evaluation, and its exposure; never raises."""
            try:
                if evaluation is not None:
                    recorder.count_evaluation(evaluation, duration_us)
                if series_in is not None:
                    recorder.expose(series_in(str(context.attributes.get("language", ""))))
            except Exception:  # noqa: BLE001 - the SDK would log each, with the request's context
                recorder.refused(BAD_EVALUATION)

        return count


def counted_evaluation(details: FlagEvaluationDetails[Any]) -> Evaluation | None:
    """Give as what an evaluation is counted; None if all went well and it is no experiment's."""
    if details.flag_metadata.get("experiment") is not True and not details.error_code:
        return None
    return Evaluation(
        details.flag_key,
        details.variant or "",
        str(details.reason or ""),
        details.error_code.value if details.error_code else "",
    )


def exposed_series(details: FlagEvaluationDetails[Any]) -> Callable[[str], Series] | None:
    """Give whose exposure it is, by language; None if it gave no variant of an experiment."""
    known = details.flag_metadata
    if known.get("experiment") is not True or "phase" not in known:
        return None
    if known.get("forced") is True:  # by a rule and not by the split: a tester's
        return None
    if details.variant is None or details.error_code:
        return None
    variant = details.variant
    named = (details.flag_key, str(known["phase"]), variant, variant)
    task_type = str(known.get("task_type", ""))

    @lru_cache(maxsize=256)
    def series_in(language: str) -> Series:
        """Whose exposure it is in a language."""
        return Series(*named, task_type, language)

    return series_in


def _duration_us(hook_context: HookContext) -> float:
    """Give how long the evaluation took; nought if it ended before it began."""
    started_ns = hook_context.hook_data.get(_STARTED_NS)
    return (perf_counter_ns() - started_ns) / 1e3 if started_ns is not None else 0.0
