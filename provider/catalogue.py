"""The experiments of each task type, in the order in which a request is offered to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from openfeature_triton.flagd_config import Document
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.candidate import Assignment, Candidate
from openfeature_triton.provider.compiled_flag import CompiledFlag
from openfeature_triton.provider.language import LANGUAGE, PRIMARY, read_language
from openfeature_triton.provider.offers import Offer, Offers
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.rule_node import Attributes

_MOST_WAYS = 4096

# Gives a request (attributes, targeting key) its assignment, or the reason for none, or None.
Way = Callable[[Attributes, "str | None"], "Assignment | RouteReason | None"]
# What is offered to at once, with what targeting sees of task and language if it looks.
Pass = tuple[Offers, "Mapping[str, Any] | None"]


class Task:
    """The experiments of one task type, by priority, then key; the first that matches wins.

    A request is offered only to those whose guards its language passes.
    """

    def __init__(self, task_type: str, candidates: list[Candidate], give_way: GiveWay) -> None:
        able: list[tuple[Candidate, frozenset[str] | None]] = []
        by_language: dict[str, list[Candidate]] = {}
        for each in candidates:
            give_way()
            if each.guarded.allows("task_type", task_type):
                named = each.guarded.allowed.get(LANGUAGE)
                able.append((each, named))
                by_language.update((language, []) for language in named or ())
        others: list[Candidate] = []
        for candidate, languages in able:
            give_way()
            if languages is None:
                others.append(candidate)
            for language in by_language if languages is None else languages:
                by_language[language].append(candidate)
        self.others = Offers(others, give_way)
        self.by_language: dict[str, Offers] = {}
        for language, some in by_language.items():
            give_way()
            self.by_language[language] = Offers(some, give_way)

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
        offers = self.by_language.get(says[LANGUAGE], self.others)
        return offers, says if offers.reads else None


class Catalogue:
    """The enabled experiments of one document, concluded ones last; made with it, never changed.

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
        for experiment in document.offers:
            give_way()
            if experiment.enabled:
                flag = flags[experiment.key]
                candidate = known.get(flag) or Candidate(experiment, flag, document.bucketing)
                self.candidates[flag] = candidate
                by_task.setdefault(experiment.task_type, []).append(candidate)
        self._tasks = {
            task_type: Task(task_type, each, give_way) for task_type, each in by_task.items()
        }
        self.ways: dict[tuple[str, str], Way] = {}

    def offers(self) -> Iterator[Offers]:
        """All offers of all tasks."""
        for task in self._tasks.values():
            yield task.others
            yield from task.by_language.values()

    def way(self, task_type: str, language: str) -> Way:
        """Find out where a request is offered, and remember it for the next."""
        task = self._tasks.get(task_type)
        if task is None:
            return _nowhere
        way = _way(task.passes(task_type, language))
        if len(self.ways) < _MOST_WAYS:  # the language comes from outside
            self.ways[(task_type, language)] = way
        return way


def _nowhere(_: Attributes, __: str | None) -> RouteReason:
    return RouteReason.NO_EXPERIMENT


def _way(passes: tuple[Pass, ...]) -> Way:
    """What offers a request to each pass in turn; the first assignment, or error, ends it."""
    offers, says = passes[0]
    if len(passes) == 1 and says is None and offers.only is not None:
        direct = offers.only.direct
        if direct is not None:
            return direct

    def way(attributes: Attributes, targeting_key: str | None) -> Assignment | RouteReason | None:
        """Offer one request to each pass, until one takes it."""
        found: Assignment | RouteReason | None = None
        for offers, says in passes:
            if says is not None:
                attributes = {**attributes, **says}
            found = _offer(offers.to(attributes), attributes, targeting_key)
            if found is not None:
                break
        return found

    return way


def _offer(
    offers: Sequence[Offer], attributes: Attributes, targeting_key: str | None
) -> Assignment | RouteReason | None:
    """The first assignment among candidates; an error if there was one and no assignment."""
    reason = None
    for _, run, assigned, candidate in offers:
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
                return candidate.forced[found.variant]
            return found
        if found is RouteReason.FLAG_ERROR:
            reason = found
    return reason
