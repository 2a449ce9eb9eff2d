"""Forced: variants that a rule gave ahead of the split, to a tester, say.

An operator forces a variant by a condition on an attribute of the context, before `fractional`:

    {"if": [{"==": [{"var": "tester"}, "t"]}, "treatment", {"fractional": […]}]}

Whoever gets a variant so was not randomised, and has no place in the analysis. To tell, the rule is
run once more with nothing in the place of its `fractional`: what still names a variant forces it.
That is done only for flags that have such a branch.
"""

from __future__ import annotations

from typing import Any

from openfeature_triton.provider.rule_compiler import RuleCompiler
from openfeature_triton.provider.rule_node import Run

FORCED = "forced"
"""The flag metadata that says so, beside the flag's own."""


def forced_branches(key: str, targeting: Any, bucketing: str) -> Run | None:
    """What gives not None where targeting gives a variant without its split; None if it can't."""
    if not _may_force(targeting):
        return None
    return RuleCompiler(key, bucketing).compile(_without_split(targeting)).run


def _may_force(rule: Any) -> bool:
    """Whether a rule can give anything but its split or null, as far as its outer `if`s tell."""
    if not isinstance(rule, dict) or "fractional" in rule:
        return not isinstance(rule, dict) and rule is not None
    if list(rule) != ["if"] or not isinstance(rule["if"], list):
        return True
    arguments = rule["if"]
    branches = arguments[1::2] + (arguments[-1:] if len(arguments) % 2 else [])
    return any(_may_force(branch) for branch in branches)


def _without_split(rule: Any) -> Any:
    """The rule with null in the place of each `fractional`."""
    if isinstance(rule, list):
        return [_without_split(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    if "fractional" in rule:
        return None
    return {name: _without_split(arguments) for name, arguments in rule.items()}
