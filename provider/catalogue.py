"""The experiments of each task type, in the order in which a request is offered to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

from openfeature_triton.flagd_config import Document, Experiment
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.compiled_flag import CompiledFlag
from openfeature_triton.provider.guards import Guarded, guarded
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.rules import Attributes, RuleCompiler, Run


class Assignment(NamedTuple):
    """What was chosen for a targeting key: the experiment that took it, and its variant."""

    experiment: str
    phase: str
    variant: str
    service_id: str


class Candidate:
    """An experiment that may take a request: its flag, and its rule without the guards.

    `reads` says whether that rule looks at the request's attributes.
    """

    __slots__ = ("assignments", "flag", "guarded", "reads", "run")

    def __init__(self, experiment: Experiment, flag: CompiledFlag, document: Document) -> None:
        self.flag = flag
        self.guarded = guarded(document.flags[experiment.key].get("targeting"))
        compiler = RuleCompiler(experiment.key, document.bucketing, flag.uncompiled.copy())
        self.run: Run = compiler.compile(self.guarded.rule).run
        self.reads = compiler.reads
        self.assignments = {
            variant: Assignment(experiment.key, experiment.phase, variant, service_id)
            for variant, service_id in experiment.services.items()
        }

    def assign(self, result: Any) -> Assignment | RouteReason:
        """What a result of the rule, whatever its type, means for a request."""
        outcome = self.flag.outcome(result)
        if outcome.error_code is not None:
            return RouteReason.FLAG_ERROR
        if outcome.reason is Reason.TARGETING_MATCH and outcome.variant is not None:
            return self.assignments[outcome.variant]
        return RouteReason.NO_MATCH


# A candidate, with what is asked of it first: its rule, and its assignments by variant.
Offer = tuple[Run, Callable[[Any], "Assignment | None"], Candidate]
# The candidates for one kind of request, and whether any of them reads its attributes.
Offers = tuple[tuple[Offer, ...], bool]


class Task:
    """The experiments of one task type, by priority, then key; the first that matches wins.

    A request is offered only to those whose guards its language passes.
    """

    def __init__(self, task_type: str, candidates: list[Candidate], give_way: GiveWay) -> None:
        able = []
        for candidate in candidates:
            give_way()
            if candidate.guarded.allows("task_type", task_type):
                able.append((candidate, _languages(candidate.guarded)))
        self.everyone = tuple(candidates)
        self.others: Offers = _offers([candidate for candidate, names in able if names is None])
        by_language: dict[str, list[Candidate]] = {
            language: [] for _, names in able for language in names or ()
        }
        for candidate, names in able:
            give_way()
            for language in by_language if names is None else names:
                by_language[language].append(candidate)
        self.by_language: dict[str, Offers] = {
            language: _offers(each) for language, each in by_language.items()
        }


class Catalogue:
    """The enabled experiments of one document; made with it and never changed.

    Candidates of `previous` whose flag was not compiled again are taken over.
    """

    def __init__(
        self,
        document: Document,
        flags: Mapping[str, CompiledFlag],
        previous: Catalogue | None = None,
    ) -> None:
        give_way = GiveWay()
        known = previous.candidates if previous is not None else {}
        self.candidates: dict[CompiledFlag, Candidate] = {}
        by_task: dict[str, list[Candidate]] = {}
        for experiment in document.experiments.values():
            give_way()
            if experiment.enabled:
                flag = flags[experiment.key]
                candidate = known.get(flag) or Candidate(experiment, flag, document)
                self.candidates[flag] = candidate
                by_task.setdefault(experiment.task_type, []).append(candidate)
        self._tasks = {
            task_type: Task(task_type, each, give_way) for task_type, each in by_task.items()
        }

    def assign(
        self, task_type: str, language: str, targeting_key: str | None, attributes: Attributes
    ) -> Assignment | RouteReason:
        """Offer a request to the experiments of its task; gives the reason if none takes it.

        So a request is in at most one experiment per task. An experiment whose evaluation fails
        costs only itself. `attributes` is what else the request says.
        """
        task = self._tasks.get(task_type)
        if task is None:
            return RouteReason.NO_EXPERIMENT
        candidates, reads = task.by_language.get(language, task.others)
        if reads:
            attributes = {**attributes, "task_type": task_type, "language": language}
        reason = RouteReason.NO_MATCH
        for run, assigned, candidate in candidates:
            try:
                result = run(attributes, targeting_key)
                if result is None:
                    continue
                found = assigned(result) or candidate.assign(result)
            except Exception:  # noqa: BLE001 - json-logic raises whatever a rule provokes
                found = RouteReason.FLAG_ERROR
            if type(found) is Assignment:
                return found
            if found is RouteReason.FLAG_ERROR:
                reason = found
        return reason

    def match(self, task_type: str, context: EvaluationContext) -> Assignment | RouteReason:
        """The same for a context, whatever it holds under `task_type` and `language`."""
        attributes, key = context.attributes, context.targeting_key
        language = attributes.get("language")
        if isinstance(language, str) and attributes.get("task_type") == task_type:
            return self.assign(task_type, language, key, attributes)
        task = self._tasks.get(task_type)
        return _first(task.everyone, context) if task else RouteReason.NO_EXPERIMENT


Match = Assignment


def _first(
    candidates: tuple[Candidate, ...], context: EvaluationContext
) -> Assignment | RouteReason:
    """Offer a request to experiments with all their guards."""
    reason = RouteReason.NO_MATCH
    for candidate in candidates:
        outcome = candidate.flag.evaluate(context.attributes, context.targeting_key)
        if outcome.error_code is not None:
            reason = RouteReason.FLAG_ERROR
        elif outcome.reason is Reason.TARGETING_MATCH and outcome.variant is not None:
            return candidate.assignments[outcome.variant]
    return reason


def _offers(candidates: list[Candidate]) -> Offers:
    offers = tuple((each.run, each.assignments.get, each) for each in candidates)
    return offers, any(each.reads for each in candidates)


def _languages(found: Guarded) -> frozenset[str] | None:
    return found.allowed.get("language")
