"""The experiments of one task type, in the order in which a request is offered to them."""

from __future__ import annotations

from dataclasses import dataclass

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagType, Reason

from openfeature_triton.provider.evaluator import Evaluator
from openfeature_triton.provider.route import RouteReason


@dataclass(frozen=True, slots=True)
class Match:
    """The experiment that took a request, and the service that it wants for it."""

    experiment: str
    service_id: str


def first_match(
    evaluator: Evaluator, task_type: str, context: EvaluationContext
) -> Match | RouteReason:
    """Offer a request to the experiments of its task by priority, then key; the first one wins.

    So a request is in at most one experiment per task. Gives the reason where none takes it; an
    experiment whose evaluation fails costs only itself.
    """
    reason = RouteReason.NO_EXPERIMENT
    for experiment in evaluator.catalogue.get(task_type, ()):
        if not experiment.enabled:
            continue
        details = evaluator.resolve(FlagType.OBJECT, experiment.key, {}, context)
        if details.error_code is not None:
            reason = RouteReason.FLAG_ERROR
        elif details.reason == Reason.TARGETING_MATCH and details.variant is not None:
            return Match(experiment.key, experiment.services[details.variant])
        elif reason is RouteReason.NO_EXPERIMENT:
            reason = RouteReason.NO_MATCH
    return reason
