"""What a request must say for an experiment to take it, as far as its targeting proves it.

`{"if": [{"and": [guard, guard, …, rest]}, split]}` gives nothing unless every guard holds; a guard
tests `task_type` or `language` against constant texts and cannot fail. So an experiment need only
be asked where its guards hold, and without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.targeting import operation

GUARDED = ("task_type", "language")
_IF_ARGUMENTS = (2, 3)


class Guarded(NamedTuple):
    """The texts that each guarded attribute must be one of, and the rule without these tests."""

    allowed: Mapping[str, frozenset[str]]
    rule: Any

    def allows(self, attribute: str, text: str) -> bool:
        """Whether a request that says this may be taken."""
        texts = self.allowed.get(attribute)
        return texts is None or text in texts


def guarded(targeting: Any) -> Guarded:
    """Take the guards that stand first off a rule."""
    found = operation(targeting)
    if found is None or found.name not in ("if", "?:"):
        return Guarded({}, targeting)
    arguments = found.arguments
    if len(arguments) not in _IF_ARGUMENTS or arguments[2:] not in ([], [None]):
        return Guarded({}, targeting)
    allowed: dict[str, frozenset[str]] = {}
    condition = _without_guards(arguments[0], allowed)
    return Guarded(allowed, {found.name: [condition, *arguments[1:]]})


def _without_guards(condition: Any, allowed: dict[str, frozenset[str]]) -> Any:
    """The condition with its leading guards replaced by true, what they allow added."""
    found = operation(condition)
    if found is None or found.name != "and":
        return True if _took(condition, allowed) else condition
    rest = list(found.arguments)
    for index, argument in enumerate(rest):
        rest[index] = _without_guards(argument, allowed)
        if rest[index] is not True:
            break
    return True if rest and all(each is True for each in rest) else {"and": rest}


def _took(condition: Any, allowed: dict[str, frozenset[str]]) -> bool:
    guard = _guard(condition)
    if guard is None:
        return False
    name, texts = guard
    allowed[name] = allowed.get(name, texts) & texts
    return True


def _guard(condition: Any) -> tuple[str, frozenset[str]] | None:
    """The attribute that a condition tests and the texts that it lets through."""
    found = operation(condition)
    if found is None:
        return None
    if found.name == "or":
        return _either(found.arguments)
    if len(found.arguments) != 2:
        return None
    left, right = found.arguments
    if found.name == "in" and isinstance(right, list):
        return _test(left, right)
    if found.name in ("==", "==="):
        return _test(left, [right]) or _test(right, [left])
    return None


def _either(conditions: list[Any]) -> tuple[str, frozenset[str]] | None:
    guards = [_guard(condition) for condition in conditions]
    texts: frozenset[str] = frozenset()
    names = set()
    for guard in guards:
        if guard is None:
            return None
        names.add(guard[0])
        texts |= guard[1]
    return (names.pop(), texts) if len(names) == 1 else None


def _test(subject: Any, texts: list[Any]) -> tuple[str, frozenset[str]] | None:
    read = operation(subject)
    if read is None or read.name != "var" or len(read.arguments) != 1:
        return None
    (name,) = read.arguments
    if name not in GUARDED or not all(type(text) is str for text in texts):
        return None
    return name, frozenset(texts)
