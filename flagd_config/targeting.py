"""JSON Logic as flagd's evaluators walk it: operations, and what guards an experiment's split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

# fmt: off
OPERATORS = frozenset({
    "var", "missing", "missing_some", "if", "?:", "==", "!=", "===", "!==", "!", "!!", "or", "and",
    ">", ">=", "<", "<=", "max", "min", "+", "-", "*", "/", "%", "map", "reduce", "filter", "all",
    "none", "some", "merge", "in", "cat", "substr", "log",
    "fractional", "starts_with", "ends_with", "sem_ver",
})
# fmt: on


class Operation(NamedTuple):
    """One operation of a rule: its name, its arguments, and the steps that lead to it."""

    name: str
    arguments: list[Any]
    steps: tuple[str | int, ...]


_NEW = tuple.__new__  # half the time of Operation(…), and there are many


def operation(rule: Any, steps: tuple[str | int, ...] = ()) -> Operation | None:
    """Give the operation that a rule is; None for plain values, lists, and objects of two keys."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return None
    ((name, arguments),) = rule.items()
    if not isinstance(arguments, list):
        arguments = [arguments]
    return _NEW(Operation, (name, arguments, (*steps, name)))


def operations(rule: Any, steps: tuple[str | int, ...] = ()) -> list[Operation]:
    """Give every operation of a rule, outer ones first."""
    found: list[Operation] = []
    _collect(rule, steps, found)
    return found


def _collect(rule: Any, steps: tuple[str | int, ...], found: list[Operation]) -> None:
    if isinstance(rule, dict):
        outer = operation(rule, steps)
        if outer is None:
            return
        found.append(outer)
        _, rule, steps = outer
    if isinstance(rule, list):
        for index, item in enumerate(rule):
            if isinstance(item, (dict, list)):
                _collect(item, (*steps, index), found)


def languages(rule: Any) -> tuple[str, ...]:
    """Give the languages that the way to the rule's `fractional` asks for; () is all of them."""
    named = (tag for guard in _guards(rule) for tag in _named_languages(guard))
    return tuple(dict.fromkeys(named))


def _guards(rule: Any) -> Iterator[Any]:
    """Give the conditions that must hold for the `fractional` to be reached."""
    found = operation(rule)
    if found is None or found.name == "fractional":
        return
    name, arguments = found.name, found.arguments
    branch = next((i for i, item in enumerate(arguments) if _splits(item)), None)
    if branch is None:
        return
    if name in ("if", "?:") and branch % 2 == 1:  # condition, result, condition, result, …, else
        yield arguments[branch - 1]
    elif name == "and":
        yield from arguments[:branch]
    yield from _guards(arguments[branch])


def _splits(rule: Any) -> bool:
    if isinstance(rule, dict) and len(rule) == 1:
        return "fractional" in rule or any(map(_splits, rule.values()))
    return isinstance(rule, list) and any(map(_splits, rule))


def _named_languages(condition: Any) -> Iterator[str]:
    found = operation(condition)
    if found is None:
        return
    name, arguments = found.name, found.arguments
    if name in ("and", "or"):
        for argument in arguments:
            yield from _named_languages(argument)
    elif name in ("==", "===", "in", "starts_with") and any(map(_is_language, arguments)):
        for argument in arguments:
            yield from _texts(argument)


def _is_language(rule: Any) -> bool:
    if not isinstance(rule, dict) or list(rule) != ["var"]:
        return False
    name = rule["var"]
    return name == "language" or (isinstance(name, list) and name[:1] == ["language"])


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
