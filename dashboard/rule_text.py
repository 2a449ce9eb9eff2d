"""Rule text: a targeting rule as people read it; what is not known by sight stays JSON. Pure."""

from __future__ import annotations

import json
from typing import Any

_COMPARED = {
    "==": "is", "===": "is", "!=": "is not", "!==": "is not", "in": "in",
    "<": "<", "<=": "≤", ">": ">", ">=": "≥",
    "starts_with": "starts with", "ends_with": "ends with", "sem_ver": "is version",
}  # fmt: skip
_DEEPEST = 20


def conditions(targeting: Any) -> tuple[str, ...]:
    """Give the conditions under which an experiment takes a request, each in words.

    Those of `{"if": [condition, split]}`, taken apart where they are joined by `and`.
    """
    rule = _argument(targeting, "if")
    if not isinstance(rule, list) or not rule:
        return ()
    joined = _argument(rule[0], "and")
    each = joined if isinstance(joined, list) else [rule[0]]
    return tuple(in_words(condition) for condition in each)


def without_split(rule: Any) -> Any:
    """Give a rule without the weights of its split, which are told apart."""
    if isinstance(rule, list):
        return [without_split(each) for each in rule]
    if not isinstance(rule, dict):
        return rule
    split = _argument(rule, "fractional")
    if isinstance(split, list):
        return {"fractional": [each for each in split if not isinstance(each, list)]}
    return {name: without_split(each) for name, each in rule.items()}


def in_words(rule: Any, depth: int = 0) -> str:
    """Give a rule in words: `language in hi, ta`."""
    if isinstance(rule, list):
        return ", ".join(in_words(each, depth + 1) for each in rule)
    if not isinstance(rule, dict):
        return as_text(rule)
    if len(rule) == 1 and depth < _DEEPEST:
        ((operator, given),) = rule.items()
        said = _operation(operator, given, depth + 1)
        if said:
            return said
    return as_text(rule)


def as_text(value: Any) -> str:
    """Give a text as it is, any other value as JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"


def _operation(operator: str, given: Any, depth: int) -> str:
    if operator == "var":
        return str(given[0] if isinstance(given, list) and given else given)
    if operator in ("!", "not"):
        return f"not ({in_words(given, depth)})"
    if not isinstance(given, list):
        return ""
    if operator in ("and", "or"):
        return f" {operator} ".join(_bracketed(each, depth) for each in given)
    if operator in _COMPARED and len(given) >= 2:
        left, *right = (in_words(each, depth) for each in given)
        return f"{left} {_COMPARED[operator]} {' '.join(right)}"
    return ""


def _bracketed(rule: Any, depth: int) -> str:
    said = in_words(rule, depth)
    is_joined = isinstance(rule, dict) and set(rule) & {"and", "or"}
    return f"({said})" if is_joined else said


def _argument(rule: Any, operator: str) -> Any:
    return rule.get(operator) if isinstance(rule, dict) and len(rule) == 1 else None
