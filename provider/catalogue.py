"""The experiments of each task type, in the order in which a request is offered to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

from openfeature_triton.flagd_config import Document, Experiment
from openfeature_triton.flagd_config.bucketing import Split, by_unit
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.compiled_flag import NO_METADATA, CompiledFlag, Metadata
from openfeature_triton.provider.guards import Guarded, guarded
from openfeature_triton.provider.language import LANGUAGE, PRIMARY, read_language
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.rules import Attributes, RuleCompiler, Run

_MOST_WAYS = 4096


class Assignment(NamedTuple):
    """What was chosen for a targeting key: the experiment that took it, and its variant.

    `forced` says that a rule before the split gave the variant, to a tester, say; `metadata` is
    the flag's.
    """

    experiment: str
    phase: str
    variant: str
    service_id: str
    forced: bool = False
    metadata: Metadata = NO_METADATA


class Candidate:
    """An experiment that may take a request: its flag, and its rule without the guards.

    `reads` says whether that rule looks at the request's attributes; `direct` gives an assignment,
    or None for no match, where the rule is but a split of targeting keys.
    """

    __slots__ = ("assignments", "direct", "flag", "guarded", "reads", "run")

    def __init__(self, experiment: Experiment, flag: CompiledFlag, document: Document) -> None:
        self.flag = flag
        self.guarded = guarded(document.flags[experiment.key].get("targeting"))
        compiler = RuleCompiler(experiment.key, document.bucketing, flag.uncompiled.copy())
        rule = compiler.compile(self.guarded.rule)
        self.run: Run = rule.run
        self.reads = compiler.reads or flag.has_forced
        self.assignments = {
            variant: Assignment(
                experiment.key, experiment.phase, variant, service_id, metadata=flag.metadata
            )
            for variant, service_id in experiment.services.items()
        }

        self.direct = None if rule.split is None else self._direct(rule.split, document)

    def _direct(self, split: Split, document: Document) -> Run | None:
        """The split with assignments in the place of its variants."""
        if not all(name is None or name in self.assignments for name in split.variants):
            return None
        found = [None if name is None else self.assignments[name] for name in split.variants]
        v3 = document.bucketing == "v3"
        return by_unit(self.flag.key, Split(split.ends, found), v3=v3)

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
# Gives a request (attributes, targeting key) its assignment, or the reason for none, or None.
Way = Callable[[Attributes, "str | None"], "Assignment | RouteReason | None"]
# What is offered to at once, with what targeting sees of task and language if it looks.
Pass = tuple[tuple[Offer, ...], "Mapping[str, Any] | None"]


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

    def passes(self, task_type: str, given: str) -> tuple[Pass, ...]:
        """Where a request in a language is offered: by its tag, then by the first subtag."""
        tag, primary = read_language(given)
        says = {"task_type": task_type, LANGUAGE: tag}
        if primary:
            says[PRIMARY] = primary
        first = self._pass(says)
        if not primary or primary == tag:
            return (first,)
        return first, self._pass({**says, LANGUAGE: primary})

    def _pass(self, says: Mapping[str, Any]) -> Pass:
        offers, reads = self.by_language.get(says[LANGUAGE], self.others)
        return offers, says if reads else None


class Catalogue:
    """The enabled experiments of one document; made with it and never changed.

    It remembers the way of each task and language that a request came with.
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
        self.ways: dict[tuple[str, str], Way] = {}

    def assign(
        self, task_type: str, language: str, targeting_key: str | None, attributes: Attributes
    ) -> Assignment | RouteReason:
        """Offer a request to the experiments of its task; gives the reason if none takes it.

        So a request is in at most one experiment per task. An experiment whose evaluation fails
        costs only itself. `language` is a tag as given, `attributes` what else the request says.
        """
        way = self.ways.get((task_type, language)) or self.way(task_type, language)
        try:
            return way(attributes, targeting_key) or RouteReason.NO_MATCH
        except Exception:  # noqa: BLE001 - a split by half of a surrogate pair
            return RouteReason.FLAG_ERROR

    def way(self, task_type: str, language: str) -> Way:
        """Find out where a request is offered, and remember it for the next."""
        task = self._tasks.get(task_type)
        if task is None:
            return _nowhere
        way = _way(task.passes(task_type, language))
        if len(self.ways) < _MOST_WAYS:  # the language comes from outside
            self.ways[(task_type, language)] = way
        return way

    def match(self, task_type: str, context: EvaluationContext) -> Assignment | RouteReason:
        """The first experiment that takes a context as it is, its language not looked into."""
        task = self._tasks.get(task_type)
        if task is None:
            return RouteReason.NO_EXPERIMENT
        candidates = task.everyone
        language = context.attributes.get(LANGUAGE)
        if isinstance(language, str) and context.attributes.get("task_type") == task_type:
            offers, _ = task.by_language.get(language, task.others)
            candidates = tuple(candidate for _, _, candidate in offers)
        return _first(candidates, context)


Match = Assignment


def _nowhere(_: Attributes, __: str | None) -> RouteReason:
    return RouteReason.NO_EXPERIMENT


def _way(passes: tuple[Pass, ...]) -> Way:
    """What offers a request to each pass in turn; the first assignment, or error, ends it."""
    offers, says = passes[0]
    if len(passes) == 1 and says is None and len(offers) == 1:
        direct = offers[0][2].direct
        if direct is not None:
            return direct

    def way(attributes: Attributes, targeting_key: str | None) -> Assignment | RouteReason | None:
        found: Assignment | RouteReason | None = None
        for offers, says in passes:
            if says is not None:
                attributes = {**attributes, **says}
            found = _offer(offers, attributes, targeting_key)
            if found is not None:
                break
        return found

    return way


def _offer(
    offers: tuple[Offer, ...], attributes: Attributes, targeting_key: str | None
) -> Assignment | RouteReason | None:
    """The first assignment among candidates; an error if there was one and no assignment."""
    reason = None
    for run, assigned, candidate in offers:
        try:
            result = run(attributes, targeting_key)
            if result is None:
                continue
            found = assigned(result) or candidate.assign(result)
        except Exception:  # noqa: BLE001 - json-logic raises whatever a rule provokes
            found = RouteReason.FLAG_ERROR
        if type(found) is Assignment:
            flag = candidate.flag
            if flag.has_forced and flag.is_forced(attributes, targeting_key):
                return found._replace(forced=True)
            return found
        if found is RouteReason.FLAG_ERROR:
            reason = found
    return reason


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
