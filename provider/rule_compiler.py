"""Compiles flagd's targeting rules (JSON Logic) into closures that give the reference's results.

A closure takes a request's attributes and its targeting key. What can be known beforehand is
(constants are folded, lists of texts become sets, splits become thresholds); an operator that is
not compiled is left to the reference implementation, `json_logic`, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from json_logic import jsonLogic

from openfeature_triton.flagd_config.operators import OPERATORS, PURE, Operator
from openfeature_triton.provider.rule_logic import compile_and, compile_if, compile_or
from openfeature_triton.provider.rule_node import (
    NOTHING,
    Attributes,
    Node,
    Run,
    constant,
    folded,
    names_of,
    with_name,
)
from openfeature_triton.provider.rule_splits import Splitter
from openfeature_triton.provider.rule_tests import equality, membership, text_edge, version_test
from openfeature_triton.provider.rule_variables import (
    FLAGD,
    UNIT,
    data,
    read_deep,
    read_flagd,
    read_or,
    variable,
)

_VAR_ARGUMENTS = 2
_SEM_VER_ARGUMENTS = 3
# What gives true or false and nothing else, so that it needs no test of truth around it.
_BOOLEAN = frozenset(("==", "!=", "===", "!==", "<", "<=", ">", ">=", "!", "!!", "in"))


class RuleCompiler:
    """Compiles the rules of one flag for one generation of bucketing, "v2" or "v3".

    `uncompiled` counts afterwards the operators that are left to the reference.
    """

    def __init__(self, flag_key: str, bucketing: str) -> None:
        self._flag_key = flag_key
        self._splitter = Splitter(flag_key, bucketing)
        self._operators = OPERATORS[bucketing]
        self.uncompiled: Counter[str] = Counter()

    def compile(self, rule: Any) -> Node:
        """Compile one rule; never raises: what fails, fails when it is run, as in the reference."""
        if isinstance(rule, list):
            return self._list(rule)
        if not isinstance(rule, dict) or len(rule) != 1:
            return constant(rule)
        ((name, arguments),) = rule.items()
        if not isinstance(arguments, list):
            arguments = [arguments]
        special = _SPECIAL.get(name)
        if special is not None:
            return special(self, rule, arguments)
        if name in PURE and name in self._operators:
            return self._pure(name, self._all(arguments))
        return self._reference(rule, name)

    def _all(self, rules: list[Any]) -> list[Node]:
        return [self.compile(rule) for rule in rules]

    def _list(self, rules: list[Any]) -> Node:
        if not any(isinstance(rule, (dict, list)) for rule in rules):
            return constant(list(rules))
        items = self._all(rules)
        if all(item.constant for item in items):
            return constant([item.value for item in items])
        runs = [item.run for item in items]
        return Node(
            lambda attributes, key: [run(attributes, key) for run in runs], names=names_of(items)
        )

    def _reference(self, rule: dict[str, Any], name: str) -> Node:
        """Leave a rule to the reference implementation, with the data that it wants."""
        self.uncompiled[name] += 1
        operators, flag_key = self._operators, self._flag_key

        def run(attributes: Attributes, key: str | None) -> Any:
            return jsonLogic(rule, data(attributes, key, flag_key), operators)

        return Node(run)

    # Control

    def _if(self, _: Any, arguments: list[Any]) -> Node:
        return compile_if(arguments, self.compile)

    def _and(self, _: Any, arguments: list[Any]) -> Node:
        return compile_and(arguments, self.compile)

    def _or(self, _: Any, arguments: list[Any]) -> Node:
        return compile_or(arguments, self.compile)

    # Data

    def _var(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        named = arguments[0] if arguments else None
        if not isinstance(named, str) or not named or len(arguments) > _VAR_ARGUMENTS:
            return self._reference(rule, "var")
        first, *rest = named.split(".")
        default = self.compile(arguments[1]) if len(arguments) > 1 else NOTHING
        if first == FLAGD:
            return self._flagd_property(rest, default)
        if default.constant and default.value is None and not rest:
            return variable(first)
        names = default.names if first == UNIT else with_name(first, default.names)
        run = read_deep(first, rest, default.run) if rest else read_or(first, default.run)
        return Node(run, names=names)

    def _flagd_property(self, rest: list[str], default: Node) -> Node:
        if rest == ["flagKey"] and default.constant:
            return constant(self._flag_key)
        return Node(read_flagd(self._flag_key, rest, default.run), names=default.names)

    # Operators that only look at their arguments

    def _pure(self, name: str, arguments: list[Node]) -> Node:
        run, names = _apply(self._operators[name], arguments), names_of(arguments)
        node = Node(run, boolean=name in _BOOLEAN, names=names)
        return folded(node) if all(argument.constant for argument in arguments) else node

    def _equal(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        (name,) = rule
        if len(arguments) == 2:
            left, right = arguments
            if isinstance(left, str):  # no operator minds the sides
                left, right = right, left
            subject = self.compile(left) if isinstance(right, str) else NOTHING
            if not subject.constant:
                return equality(subject, right, name)
        return self._pure(name, self._all(arguments))

    def _in(self, _: Any, arguments: list[Any]) -> Node:
        nodes = self._all(arguments)
        if len(nodes) == 2 and nodes[1].constant and isinstance(nodes[1].value, list):
            return membership(nodes[0], nodes[1].value)
        return self._pure("in", nodes)

    def _sem_ver(self, _: Any, arguments: list[Any]) -> Node:
        nodes = self._all(arguments)
        known = len(nodes) == _SEM_VER_ARGUMENTS and all(node.constant for node in nodes[1:])
        if known and not nodes[0].constant and isinstance(nodes[1].value, str):
            run = version_test(nodes[0].run, nodes[1].value, nodes[2].value)
            return Node(run, names=nodes[0].names)
        return self._pure("sem_ver", nodes)

    def _text_edge(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        (name,) = rule
        nodes = self._all(arguments)
        if len(nodes) != 2 or all(node.constant for node in nodes):
            return self._pure(name, nodes)
        return Node(text_edge(name, nodes[0].run, nodes[1].run), names=names_of(nodes))

    def _fractional(self, _: Any, arguments: list[Any]) -> Node:
        return self._splitter.split(arguments, self._all(arguments))


_SPECIAL: Mapping[str, Callable[[RuleCompiler, dict[str, Any], list[Any]], Node]] = {
    "if": RuleCompiler._if,
    "?:": RuleCompiler._if,
    "and": RuleCompiler._and,
    "or": RuleCompiler._or,
    "var": RuleCompiler._var,
    "==": RuleCompiler._equal,
    "!=": RuleCompiler._equal,
    "===": RuleCompiler._equal,
    "!==": RuleCompiler._equal,
    "in": RuleCompiler._in,
    "sem_ver": RuleCompiler._sem_ver,
    "starts_with": RuleCompiler._text_edge,
    "ends_with": RuleCompiler._text_edge,
    "fractional": RuleCompiler._fractional,
}


def _apply(operator: Operator, arguments: list[Node]) -> Run:
    runs = [argument.run for argument in arguments]
    if len(runs) == 1:
        (only,) = runs
        return lambda attributes, key: operator(None, only(attributes, key))
    if len(runs) == 2:
        left, right = runs
        return lambda attributes, key: operator(None, left(attributes, key), right(attributes, key))
    return lambda attributes, key: operator(None, *[run(attributes, key) for run in runs])
