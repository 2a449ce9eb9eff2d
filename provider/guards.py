"""What a request must say for a rule to give it anything, as far as the rule proves it.

`{"if": [{"and": [guard, guard, …, rest]}, split]}` gives nothing unless every guard holds; a guard
tests an attribute against constant texts, and cannot fail where that is a text or missing. So an
experiment need only be asked where its guards hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from openfeature_triton.flagd_config.bucketing import Split
from openfeature_triton.provider.language import LANGUAGE
from openfeature_triton.provider.rule_logic import all_of, choose
from openfeature_triton.provider.rule_node import NOTHING, Names, Node, Run

# What the way of a request settles for all experiments on it.
SETTLED = frozenset(("task_type", LANGUAGE))


class Guarded(NamedTuple):
    """The texts that each guarded attribute must be one of, and what is still to be asked then.

    `run` leaves the guards on `task_type` and `language` out, the others are still in it; `split`
    says that it only splits by the targeting key, `names` which attributes it looks at (None: any).
    """

    allowed: Mapping[str, frozenset[str]]
    run: Run
    split: Split | None
    names: Names

    def allows(self, attribute: str, text: str) -> bool:
        """Whether a request that says this may be taken."""
        texts = self.allowed.get(attribute)
        return texts is None or text in texts


def guarded(rule: Node) -> Guarded:
    """Take the guards that stand first off a rule."""
    allowed: dict[str, frozenset[str]] = {}
    while rule.case is not None:
        condition, result = rule.case
        rest, _ = _take(condition, allowed)
        if rest:
            rule = choose([(all_of(rest), result)], NOTHING)
            break
        rule = result
    return Guarded(allowed, rule.run, rule.split, rule.names)


def _take(condition: Node, allowed: dict[str, frozenset[str]]) -> tuple[list[Node], bool]:
    """Add what a condition's leading guards allow.

    Gives the parts of the condition that are still to be asked, and whether all were guards.
    """
    if condition.test is not None:
        name, texts = condition.test
        allowed[name] = allowed.get(name, texts) & texts
        return ([] if name in SETTLED else [condition]), True
    rest: list[Node] = []
    for index, part in enumerate(condition.parts):
        kept, only_guards = _take(part, allowed)
        rest += kept
        if not only_guards:
            return rest + list(condition.parts[index + 1 :]), False
    return (rest, True) if condition.parts else ([condition], False)
