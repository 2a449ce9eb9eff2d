"""Forced: variants that a rule gave ahead of the split, to a tester, say.

An operator forces a variant by a condition on an attribute of the context, before `fractional`:

    {"if": [{"==": [{"var": "tester"}, "t"]}, "treatment", {"fractional": […]}]}

Whoever gets a variant so was not randomised, and has no place in the analysis. To tell, the rule is
run once more with nothing in the place of its `fractional`: what still names a variant forces it.
That is done only for flags that have such a branch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config import Document
from openfeature_triton.provider.rules import RuleCompiler, Run

FORCED = "forced"
"""The flag metadata that says so, beside the flag's own."""


class ForcedBranches:
    """The branches of one document's experiments that give a variant without the split."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._rules: dict[str, Run | None] = {}

    def force(self, key: str, context: EvaluationContext) -> bool:
        """Whether an experiment's targeting gives a variant without its split; never raises."""
        if key not in self._rules:
            self._rules[key] = self._compiled(key)
        run = self._rules[key]
        if run is None:
            return False
        try:
            return run(context.attributes, context.targeting_key) is not None
        except Exception:  # noqa: BLE001 - json-logic raises whatever a rule provokes
            return False

    def _compiled(self, key: str) -> Run | None:
        rule = _without_split(self.document.flags[key].get("targeting"))
        if not _may_give_a_variant(rule):
            return None
        return RuleCompiler(key, self.document.bucketing, Counter()).compile(rule).run


def _without_split(rule: Any) -> Any:
    """The rule with null in the place of each `fractional`."""
    if isinstance(rule, list):
        return [_without_split(item) for item in rule]
    if not isinstance(rule, Mapping):
        return rule
    if "fractional" in rule:
        return None
    return {name: _without_split(arguments) for name, arguments in rule.items()}


def _may_give_a_variant(rule: Any) -> bool:
    """Whether a rule can give anything but null, as far as its outer `if`s tell."""
    if not isinstance(rule, Mapping) or list(rule) != ["if"] or not isinstance(rule["if"], list):
        return rule is not None
    arguments = rule["if"]
    branches = arguments[1::2] + (arguments[-1:] if len(arguments) % 2 else [])
    return any(_may_give_a_variant(branch) for branch in branches)
