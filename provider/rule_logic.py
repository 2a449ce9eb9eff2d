"""`if`, `and` and `or` over compiled rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from json_logic.builtins import not_, to_bool

from openfeature_triton.provider.rule_node import NOTHING, Attributes, Node, Run, names_of
from openfeature_triton.provider.rule_tests import any_text_test, both_text_tests

Compile = Callable[[Any], Node]


def compile_if(arguments: list[Any], compile_rule: Compile) -> Node:
    """The result of the first condition that holds; those known beforehand are left out."""
    cases: list[tuple[Node, Node]] = []
    otherwise = NOTHING
    for index in range(0, len(arguments), 2):
        if index == len(arguments) - 1:
            otherwise = compile_rule(arguments[index])
            break
        condition = compile_rule(arguments[index])
        if condition.constant and not to_bool(condition.value):
            continue
        result = compile_rule(arguments[index + 1])
        if condition.constant:
            otherwise = result
            break
        cases.append((condition, result))
    return choose(cases, otherwise)


def compile_and(arguments: list[Any], compile_rule: Compile) -> Node:
    """The first value that is false, else the last one."""
    return all_of(_until(arguments, not_, compile_rule))


def compile_or(arguments: list[Any], compile_rule: Compile) -> Node:
    """The first value that is true, else the last one."""
    return _any_of(_until(arguments, to_bool, compile_rule))


def _until(
    arguments: list[Any], decides: Callable[[Any], bool], compile_rule: Compile
) -> list[Node]:
    """The arguments of `and`, `or` that matter: constants decide, or count only as the last."""
    kept: list[Node] = []
    for index, argument in enumerate(arguments):
        node = compile_rule(argument)
        if node.constant and decides(node.value):
            return [*kept, node]
        if not node.constant or index == len(arguments) - 1:
            kept.append(node)
    return kept


def choose(cases: list[tuple[Node, Node]], otherwise: Node) -> Node:
    """The result of the first condition that holds, else of the last rule."""
    if not cases:
        return otherwise
    if len(cases) == 1 and otherwise.constant and otherwise.value is None:
        condition, result = cases[0]
        run = _only_if(_truth(condition), result.run)
        return Node(run, case=cases[0], names=names_of(cases[0]))
    boolean = otherwise.boolean and all(result.boolean for _, result in cases)
    runs = tuple((_truth(condition), result.run) for condition, result in cases)
    run = _either(*runs[0], otherwise.run) if len(runs) == 1 else _switch(runs, otherwise.run)
    names = names_of([otherwise, *(node for case in cases for node in case)])
    return Node(run, boolean=boolean, names=names)


def _truth(node: Node) -> Run:
    """What gives True or False of a rule, as JSON Logic sees it."""
    if node.boolean:
        return node.run
    run = node.run
    return lambda attributes, key: to_bool(run(attributes, key))


def _only_if(condition: Run, result: Run) -> Run:
    return lambda attributes, key: result(attributes, key) if condition(attributes, key) else None


def _either(condition: Run, result: Run, otherwise: Run) -> Run:
    return lambda attributes, key: (
        result(attributes, key) if condition(attributes, key) else otherwise(attributes, key)
    )


def _switch(cases: tuple[tuple[Run, Run], ...], otherwise: Run) -> Run:
    def run(attributes: Attributes, key: str | None) -> Any:
        for condition, result in cases:
            if condition(attributes, key):
                return result(attributes, key)
        return otherwise(attributes, key)

    return run


def all_of(nodes: Sequence[Node]) -> Node:
    """The first value that is false, else the last one."""
    if len(nodes) < 2:
        return nodes[0] if nodes else NOTHING
    runs, tests = tuple(node.run for node in nodes), [node.test for node in nodes]
    boolean = all(node.boolean for node in nodes)
    if not boolean:
        run = _first_that(not_, runs)
    elif len(nodes) == 2 and tests[0] and tests[1]:
        run = both_text_tests(tests[0], tests[1], *runs)
    else:
        run = _all(runs)
    return Node(run, boolean=boolean, parts=tuple(nodes), names=names_of(nodes))


def _any_of(nodes: Sequence[Node]) -> Node:
    """The first value that is true, else the last one."""
    if len(nodes) < 2:
        return nodes[0] if nodes else NOTHING
    runs = tuple(node.run for node in nodes)
    if not all(node.boolean for node in nodes):
        return Node(_first_that(to_bool, runs), names=names_of(nodes))
    one = any_text_test([node.test for node in nodes], _any(runs))
    return one or Node(_any(runs), boolean=True, names=names_of(nodes))


def _first_that(decides: Callable[[Any], bool], runs: tuple[Run, ...]) -> Run:
    def run(attributes: Attributes, key: str | None) -> Any:
        """Give the value that decides, or the last one."""
        value = None
        for each in runs:
            value = each(attributes, key)
            if decides(value):
                return value
        return value

    return run


def _all(runs: tuple[Run, ...]) -> Run:
    if len(runs) == 2:
        first, last = runs
        return lambda attributes, key: first(attributes, key) and last(attributes, key)
    return lambda attributes, key: all(run(attributes, key) for run in runs)


def _any(runs: tuple[Run, ...]) -> Run:
    if len(runs) == 2:
        first, last = runs
        return lambda attributes, key: first(attributes, key) or last(attributes, key)
    return lambda attributes, key: any(run(attributes, key) for run in runs)
