"""Rules about targeting: operators, languages, task types, conditions that decide nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.languages import canonical_language
from openfeature_triton.flagd_config.targeting import OPERATORS, Operation, operation, operations

Steps = tuple[str | int, ...]

TASK_TYPES = ("asr", "nmt", "tts", "ocr", "ner")

_EQUAL = ("==", "===")
_COMPARE = (*_EQUAL, "!=", "!==")


def check_rule_shape(rule: Any, steps: Steps) -> Iterator[Draft]:
    """Find operators that flagd does not know, and objects that are no operation."""
    if isinstance(rule, list):
        for index, item in enumerate(rule):
            yield from check_rule_shape(item, (*steps, index))
    elif isinstance(rule, dict) and rule:
        found = operation(rule)
        if found is None:
            yield Draft(
                "operator",
                steps,
                f"an object of {len(rule)} keys is no rule: flagd takes it as a plain value",
                "keep one operator in it, and join conditions by `and`",
            )
        elif found.name not in OPERATORS:
            yield Draft(
                "operator",
                (*steps, found.name),
                f"flagd knows no operator {found.name!r}",
                f"use one of: {', '.join(sorted(OPERATORS))}",
            )
        else:
            yield from check_rule_shape(found.arguments, (*steps, found.name))


def check_targeting_is_rule(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find targeting that is not an object."""
    targeting = flag.get("targeting")
    if targeting and not isinstance(targeting, dict):
        yield Draft(
            "operator",
            (*steps, "targeting"),
            f"the targeting is {shown(targeting)}, which is no rule",
            'write {"if": [condition, "variant"]}, or remove it',
        )


def check_conditions(
    flag: Mapping[str, Any], steps: Steps, task_types: Collection[str]
) -> Iterator[Draft]:
    """Find what no request, or each request, meets."""
    metadata = flag.get("metadata") or {}
    own = metadata.get("task_type") if metadata.get("experiment") is True else None
    top = (*steps, "targeting")
    if isinstance(own, str) and own and own not in task_types:
        yield Draft(
            "task-type",
            (*steps, "metadata", "task_type"),
            f"no service is known to do the task {own!r} ({', '.join(task_types)})",
            "correct it, or name the task types that you have by --task-types",
        )
    for found in operations(flag.get("targeting")):
        where = (*top, *found.steps)
        if found.name in (*_COMPARE, "in", "starts_with"):
            yield from _check_values(found, where, own, task_types)
        if found.name in ("if", "?:"):
            yield from _check_branches(found, where)
        elif found.name == "and":
            yield from _check_contradiction(found, where)


def _check_values(
    found: Operation, where: Steps, own: Any, task_types: Collection[str]
) -> Iterator[Draft]:
    if len(found.arguments) != 2:
        return
    left, right = found.arguments
    names = [_variable(left), _variable(right)]
    if names == [None, None] or (found.name == "in" and names[0] is None):
        return
    side = 1 if names[0] else 0
    name, value = names[1 - side], found.arguments[side]
    if found.name == "in" and isinstance(value, str) and name in ("language", "task_type"):
        yield Draft(
            "condition-always",
            (*where, side),
            f"`in` over the text {value!r} looks for any part of it, such as one letter",
            f"write a list: {[each.strip() for each in value.split(',')]}".replace("'", '"'),
        )
        return
    if found.name == "in" and value == []:
        yield _never(where, "the list is empty")
    if name == "language" and found.name != "starts_with":
        yield from _check_languages(value, (*where, side))
    elif name == "task_type" and found.name != "starts_with":
        yield from _check_task_types(found, value, (*where, side), own, task_types)


def _check_languages(value: Any, where: Steps) -> Iterator[Draft]:
    for place, text in _texts(value, where):
        if not isinstance(text, str):
            if not isinstance(text, dict):
                yield _never(place, f"a language is a text, not {shown(text)}")
            continue
        canonical = canonical_language(text)
        if canonical is None:
            yield Draft(
                "language-tag",
                place,
                f"{text!r} is no language of BCP 47, so no request has it",
                "write e.g. hi, ta or en-US",
            )
        elif canonical != text:
            yield Draft(
                "language-tag",
                place,
                f"{text!r} is not how BCP 47 writes {canonical!r}, and comparing is to the letter",
                f"write {canonical!r}, and let services send that",
            )


def _check_task_types(
    found: Operation, value: Any, where: Steps, own: Any, task_types: Collection[str]
) -> Iterator[Draft]:
    texts = list(_texts(value, where))
    for place, text in texts:
        if isinstance(text, str) and text not in task_types and text != own:
            yield Draft(
                "task-type",
                place,
                f"no service is known to do the task {text!r} ({', '.join(task_types)})",
                "correct it, or name the task types that you have by --task-types",
            )
    constants = [text for _, text in texts if not isinstance(text, dict)]
    if own is None or not constants or len(constants) != len(texts):
        return
    meets = (own in constants) != (found.name in ("!=", "!=="))
    if not meets:
        yield _never(
            where, f"the experiment is asked for the task {own!r} alone, its metadata's `task_type`"
        )


def _never(where: Steps, why: str) -> Draft:
    return Draft(
        "condition-never", where, f"this can never hold: {why}", "correct it, or remove the branch"
    )


def _check_branches(found: Operation, where: Steps) -> Iterator[Draft]:
    """Find conditions that are constants, or the same as one before."""
    seen: list[Any] = []
    for index in range(0, len(found.arguments) - 1, 2):
        condition = found.arguments[index]
        if not isinstance(condition, (dict, list)):
            holds = bool(condition)
            yield Draft(
                "condition-always" if holds else "condition-never",
                (*where, index),
                f"the condition is the constant {shown(condition)}",
                "what follows is never reached: remove it" if holds else "remove the branch",
            )
        elif condition in seen:
            yield _never((*where, index), "a branch before it has the same condition")
        seen.append(condition)


def _check_contradiction(found: Operation, where: Steps) -> Iterator[Draft]:
    """Find an `and` that asks one attribute for two values at once."""
    allowed: dict[str, set[str]] = {}
    for index, argument in enumerate(found.arguments):
        if not isinstance(argument, (dict, list)):
            always = bool(argument)
            yield Draft(
                "condition-always" if always else "condition-never",
                (*where, index),
                f"the condition is the constant {shown(argument)}",
                "remove it" if always else "nothing that it guards is reached: correct it",
            )
        name, values = _wanted(argument)
        if name is None or values is None:
            continue
        if name in allowed and not allowed[name] & values:
            yield _never(
                (*where, index),
                f"{name!r} would have to be {shown(sorted(values))} and also "
                f"{shown(sorted(allowed[name]))}",
            )
        allowed[name] = allowed.get(name, values) & values


def _wanted(condition: Any) -> tuple[str | None, set[str] | None]:
    """The attribute, and the texts that it must be one of."""
    found = operation(condition)
    if found is None or found.name not in (*_EQUAL, "in") or len(found.arguments) != 2:
        return None, None
    left, right = found.arguments
    if found.name in _EQUAL and _variable(left) is None:
        left, right = right, left
    name = _variable(left)
    values = right if isinstance(right, list) and found.name == "in" else [right]
    if name is None or not all(isinstance(value, str) for value in values):
        return None, None
    return name, set(values) if found.name != "in" or isinstance(right, list) else None


def _variable(rule: Any) -> str | None:
    found = operation(rule)
    if found is None or found.name != "var" or not found.arguments:
        return None
    name = found.arguments[0]
    return name if isinstance(name, str) else None


def _texts(value: Any, where: Steps) -> Iterator[tuple[Steps, Any]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield (*where, index), item
    else:
        yield where, value
