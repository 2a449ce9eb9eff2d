"""Compiles flagd's targeting rules (JSON Logic) into closures that give the reference's results.

A closure takes a request's attributes and its targeting key. What can be known beforehand is
(constants are folded, lists of texts become sets, splits become thresholds); an operator that is
not compiled is left to the reference implementation, `json_logic`, and counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from json_logic import jsonLogic
from json_logic.builtins import not_, op_equals, op_in, to_bool
from openfeature.contrib.tools.flagd.core.targeting.custom_ops import normalize_version

from openfeature_triton.flagd_config.bucketing import (
    Split,
    by_unit,
    hash_v2,
    hash_v3,
    split_v2,
    split_v3,
    unit_hash_v2,
)
from openfeature_triton.flagd_config.operators import OPERATORS, PURE, Operator

Attributes = Mapping[str, Any]
Run = Callable[[Attributes, "str | None"], Any]

_VAR_ARGUMENTS = 2
_SEM_VER_ARGUMENTS = 3
_FLAGD = "$flagd"
_UNIT = "targetingKey"
# What gives true or false and nothing else, so that it needs no test of truth around it.
_BOOLEAN = frozenset(("==", "!=", "===", "!==", "<", "<=", ">", ">=", "!", "!!", "in"))


@dataclass(slots=True)
class Node:
    """One compiled rule: a constant, or what to run, and what is known of it.

    `name` is that of the attribute which it just reads, or tests for being one of `texts`; `split`
    is what it does with the targeting key and nothing else.
    """

    run: Run
    constant: bool = False
    value: Any = None
    boolean: bool = False
    name: str | None = None
    texts: frozenset[str] | None = None
    split: Split | None = None


def constant(value: Any) -> Node:
    """A rule that gives the same for every request."""
    return Node(lambda _attributes, _key: value, True, value, isinstance(value, bool))


class RuleCompiler:
    """Compiles the rules of one flag for one generation of bucketing, "v2" or "v3".

    `reads` tells afterwards whether anything that was compiled looks at a request's attributes.
    """

    def __init__(self, flag_key: str, bucketing: str, uncompiled: Counter[str]) -> None:
        self._flag_key = flag_key
        self._v3 = bucketing == "v3"
        self._operators = OPERATORS[bucketing]
        self._uncompiled = uncompiled
        self.reads = False

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
            return self._pure(name, [self.compile(argument) for argument in arguments])
        return self._reference(rule, name)

    def _list(self, rules: list[Any]) -> Node:
        if not any(isinstance(rule, (dict, list)) for rule in rules):
            return constant(list(rules))
        items = [self.compile(rule) for rule in rules]
        if all(item.constant for item in items):
            return constant([item.value for item in items])
        runs = [item.run for item in items]
        return Node(lambda attributes, key: [run(attributes, key) for run in runs])

    def _reference(self, rule: dict[str, Any], name: str) -> Node:
        """Leave a rule to the reference implementation, with the data that it wants."""
        self._uncompiled[name] += 1
        self.reads = True
        operators, flag_key = self._operators, self._flag_key

        def run(attributes: Attributes, key: str | None) -> Any:
            return jsonLogic(rule, _data(attributes, key, flag_key), operators)

        return Node(run)

    # Control

    def _if(self, _: Any, arguments: list[Any]) -> Node:
        cases: list[tuple[Run, Node]] = []
        otherwise = constant(None)
        for index in range(0, len(arguments), 2):
            if index == len(arguments) - 1:
                otherwise = self.compile(arguments[index])
                break
            condition = self.compile(arguments[index])
            if condition.constant and not to_bool(condition.value):
                continue
            result = self.compile(arguments[index + 1])
            if condition.constant:
                otherwise = result
                break
            cases.append((_truth(condition), result))
        return _choose(cases, otherwise)

    def _and(self, _: Any, arguments: list[Any]) -> Node:
        return _first_that(not_, self._until(arguments, not_), negated=True)

    def _or(self, _: Any, arguments: list[Any]) -> Node:
        return _first_that(to_bool, self._until(arguments, to_bool), negated=False)

    def _until(self, arguments: list[Any], decides: Callable[[Any], bool]) -> list[Node]:
        """The arguments of `and`, `or` that matter: constants decide, or count only as the last."""
        kept: list[Node] = []
        for index, argument in enumerate(arguments):
            node = self.compile(argument)
            if node.constant and decides(node.value):
                return [*kept, node]
            if not node.constant or index == len(arguments) - 1:
                kept.append(node)
        return kept

    # Data

    def _var(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        named = arguments[0] if arguments else None
        if not isinstance(named, str) or not named or len(arguments) > _VAR_ARGUMENTS:
            return self._reference(rule, "var")
        default = self.compile(arguments[1]) if len(arguments) > 1 else constant(None)
        first, *rest = named.split(".")
        if first == _FLAGD:
            return self._flagd_property(rest, default)
        self.reads = self.reads or first != _UNIT
        if rest:
            return Node(_read_deep(first, rest, default.run))
        if default.constant and default.value is None:
            return Node(_read(first), name=None if first == _UNIT else first)
        return Node(_read_or(first, default.run))

    def _flagd_property(self, rest: list[str], default: Node) -> Node:
        if rest == ["flagKey"] and default.constant:
            return constant(self._flag_key)
        flag_key, other = self._flag_key, default.run

        def run(attributes: Attributes, key: str | None) -> Any:
            missing = other(attributes, key)
            return walk(_properties(flag_key), rest, missing)

        return Node(run)

    # Operators that only look at their arguments

    def _pure(self, name: str, arguments: list[Node]) -> Node:
        operator = self._operators[name]
        node = Node(_apply(operator, arguments), boolean=name in _BOOLEAN)
        return _folded(node) if all(argument.constant for argument in arguments) else node

    def _equal(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        (name,) = rule
        nodes = [self.compile(argument) for argument in arguments]
        subject, text = _text_test(nodes)
        if subject is None:
            return self._pure(name, nodes)
        test = Node(_equals_text(subject, text, name), boolean=True)
        if subject.name is not None and name in ("==", "==="):
            test.name, test.texts = subject.name, frozenset((text,))
        return test

    def _in(self, _: Any, arguments: list[Any]) -> Node:
        nodes = [self.compile(argument) for argument in arguments]
        if len(nodes) == 2 and nodes[1].constant and isinstance(nodes[1].value, list):
            items = nodes[1].value
            test = Node(_in_list(nodes[0], items), boolean=True)
            if nodes[0].name is not None:
                test.name = nodes[0].name
                test.texts = frozenset(item for item in items if type(item) is str)
            return test
        return self._pure("in", nodes)

    def _sem_ver(self, _: Any, arguments: list[Any]) -> Node:
        nodes = [self.compile(argument) for argument in arguments]
        known = len(nodes) == _SEM_VER_ARGUMENTS and all(node.constant for node in nodes[1:])
        if known and not nodes[0].constant and isinstance(nodes[1].value, str):
            return _sem_ver_against(nodes[0], nodes[1].value, nodes[2].value)
        return self._pure("sem_ver", nodes)

    def _text_edge(self, rule: dict[str, Any], arguments: list[Any]) -> Node:
        (name,) = rule
        nodes = [self.compile(argument) for argument in arguments]
        if len(nodes) != 2 or all(node.constant for node in nodes):
            return self._pure(name, nodes)
        test = str.startswith if name == "starts_with" else str.endswith
        text, edge = nodes[0].run, nodes[1].run

        def run(attributes: Attributes, key: str | None) -> bool | None:
            whole, part = text(attributes, key), edge(attributes, key)
            if isinstance(whole, str) and isinstance(part, str):
                return test(whole, part)
            return None

        return Node(run)

    # Splits

    def _fractional(self, _: Any, arguments: list[Any]) -> Node:
        nodes = [self.compile(argument) for argument in arguments]
        if not nodes:
            return constant(None)
        shorthand = isinstance(arguments[0], list)
        shares = nodes if shorthand else nodes[1:]
        if not all(share.constant for share in shares):
            return Node(self._fractional_at_once(nodes))
        read = split_v3 if self._v3 else split_v2
        split = read([share.value for share in shares])
        if shorthand or (not self._v3 and nodes[0].constant and nodes[0].value is None):
            if split is None:
                return constant(None)
            return Node(by_unit(self._flag_key, split, v3=self._v3), split=split)
        return self._by_value(nodes, split)

    def _by_value(self, nodes: list[Node], split: Split | None) -> Node:
        """A split by the value of an expression."""
        value, at_once = nodes[0].run, self._fractional_at_once(nodes)
        hash_value = _hash_value_v3 if self._v3 else self._hash_value_v2()

        def run(attributes: Attributes, key: str | None) -> Any:
            by = value(attributes, key)
            if isinstance(by, (list, tuple)):  # a share, then: the targeting key decides
                return at_once(attributes, key)
            hashed = hash_value(by, key)
            return None if split is None or hashed is None else split.variant(hashed)

        return Node(run)

    def _hash_value_v2(self) -> Callable[[Any, str | None], int | None]:
        unit_hash = unit_hash_v2(self._flag_key)

        def hash_of(by: Any, key: str | None) -> int | None:
            if isinstance(by, str):
                return hash_v2(by)
            return unit_hash(key) if by is None else None

        return hash_of

    def _fractional_at_once(self, nodes: list[Node]) -> Run:
        """A split whose arguments must all be evaluated before anything is known of it."""
        operator, flag_key = self._operators["fractional"], self._flag_key
        runs = [node.run for node in nodes]

        def run(attributes: Attributes, key: str | None) -> Any:
            data = {_UNIT: key, _FLAGD: {"flagKey": flag_key}}
            return operator(data, *[each(attributes, key) for each in runs])

        return run


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


def _data(attributes: Attributes, key: str | None, flag_key: str) -> dict[str, Any]:
    """The data of a request as the reference lays it out."""
    return {**attributes, _FLAGD: _properties(flag_key), _UNIT: key}


def _properties(flag_key: str) -> dict[str, Any]:
    return {"flagKey": flag_key, "timestamp": int(time.time())}


def _folded(node: Node) -> Node:
    """A rule over constants; one that raises is left to raise for each request."""
    try:
        return constant(node.run({}, None))
    except Exception:  # noqa: BLE001 - operators raise whatever their arguments provoke
        return node


# Truth


def _truth(node: Node) -> Run:
    """What gives True or False of a rule, as JSON Logic sees it."""
    if node.boolean:
        return node.run
    run = node.run
    return lambda attributes, key: to_bool(run(attributes, key))


def _choose(cases: list[tuple[Run, Node]], otherwise: Node) -> Node:
    if not cases:
        return otherwise
    boolean = otherwise.boolean and all(result.boolean for _, result in cases)
    fallback = otherwise.run
    if len(cases) == 1:
        condition, result = cases[0][0], cases[0][1].run
        return Node(
            lambda attributes, key: (
                result(attributes, key) if condition(attributes, key) else fallback(attributes, key)
            ),
            boolean=boolean,
        )
    runs = tuple((condition, result.run) for condition, result in cases)

    def run(attributes: Attributes, key: str | None) -> Any:
        for condition, result in runs:
            if condition(attributes, key):
                return result(attributes, key)
        return fallback(attributes, key)

    return Node(run, boolean=boolean)


def _first_that(decides: Callable[[Any], bool], nodes: list[Node], *, negated: bool) -> Node:
    """The first value that decides an `and` or an `or`, else the last one."""
    if not nodes:
        return constant(None)
    if len(nodes) == 1:
        return nodes[0]
    if all(node.boolean for node in nodes):
        if negated and len(nodes) == 2 and all(node.texts is not None for node in nodes):
            return Node(_both(*nodes), boolean=True)
        return Node((_all if negated else _any)([node.run for node in nodes]), boolean=True)
    runs = tuple(node.run for node in nodes)

    def run(attributes: Attributes, key: str | None) -> Any:
        value = None
        for each in runs:
            value = each(attributes, key)
            if decides(value):
                return value
        return value

    return Node(run)


def _both(left: Node, right: Node) -> Run:
    """Two attributes that must both be one of some texts, tested at once."""
    first, second = left.name or "", right.name or ""
    these, those = left.texts or frozenset(), right.texts or frozenset()
    otherwise = _all([left.run, right.run])

    def run(attributes: Attributes, key: str | None) -> Any:
        one, other = attributes.get(first), attributes.get(second)
        if type(one) is str and type(other) is str:
            return one in these and other in those
        return otherwise(attributes, key)

    return run


def _all(runs: list[Run]) -> Run:
    *firsts, last = runs
    if len(firsts) == 1:
        first = firsts[0]
        return lambda attributes, key: first(attributes, key) and last(attributes, key)
    return lambda attributes, key: all(run(attributes, key) for run in runs)


def _any(runs: list[Run]) -> Run:
    *firsts, last = runs
    if len(firsts) == 1:
        first = firsts[0]
        return lambda attributes, key: first(attributes, key) or last(attributes, key)
    return lambda attributes, key: any(run(attributes, key) for run in runs)


# Reading attributes


def _read(name: str) -> Run:
    if name == _UNIT:
        return lambda _attributes, key: key
    return lambda attributes, _key: attributes.get(name)


def _read_or(name: str, default: Run) -> Run:
    read = _read(name)

    def run(attributes: Attributes, key: str | None) -> Any:
        missing = default(attributes, key)
        value = read(attributes, key)
        return missing if value is None else value

    return run


def _read_deep(name: str, rest: list[str], default: Run) -> Run:
    read = _read(name)

    def run(attributes: Attributes, key: str | None) -> Any:
        missing = default(attributes, key)
        return walk(read(attributes, key), rest, missing)

    return run


def walk(value: Any, steps: Iterable[str], default: Any) -> Any:
    """Follow a dotted path as `var` does: keys, positions, and the `length` of lists and texts."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif not isinstance(value, (list, str)):
            return default
        elif step == "length":
            return len(value)
        else:
            position = _position(step)
            if position is None or position >= len(value):
                return default
            value = value[position]
    return default if value is None else value


def _position(step: str) -> int | None:
    """The place in a list that a step names, written just as JavaScript would write it."""
    try:
        position = int(step, 10)
    except ValueError:
        return None
    return position if position >= 0 and step == str(position) else None


# Applying


def _apply(operator: Operator, arguments: list[Node]) -> Run:
    runs = [argument.run for argument in arguments]
    if len(runs) == 1:
        (only,) = runs
        return lambda attributes, key: operator(None, only(attributes, key))
    if len(runs) == 2:
        left, right = runs
        return lambda attributes, key: operator(None, left(attributes, key), right(attributes, key))
    return lambda attributes, key: operator(None, *[run(attributes, key) for run in runs])


def _text_test(nodes: list[Node]) -> tuple[Node | None, str]:
    """What is compared with which constant text, if that is what the arguments do."""
    if len(nodes) == 2:
        left, right = nodes
        if right.constant and isinstance(right.value, str) and not left.constant:
            return left, right.value
        if left.constant and isinstance(left.value, str) and not right.constant:
            return right, left.value
    return None, ""


def _equals_text(subject: Node, text: str, operator: str) -> Run:
    """`==`, `!=`, `===` and `!==` with a constant text; none of them minds the sides."""
    read, name = subject.run, None if subject.texts is not None else subject.name
    loose = operator in ("==", "!=")

    def equal(value: Any) -> bool:
        return op_equals(None, value, text) if loose else bool(value == text)

    if operator in ("!=", "!=="):

        def differs(attributes: Attributes, key: str | None) -> bool:
            value = read(attributes, key)
            return value != text if type(value) is str else not equal(value)

        return differs
    if name is not None:

        def attribute_equals(attributes: Attributes, _: str | None) -> bool:
            value = attributes.get(name)
            return value == text if type(value) is str else equal(value)

        return attribute_equals

    def equals(attributes: Attributes, key: str | None) -> bool:
        value = read(attributes, key)
        return value == text if type(value) is str else equal(value)

    return equals


def _in_list(needle: Node, items: list[Any]) -> Run:
    texts = frozenset(item for item in items if type(item) is str)
    read, name = needle.run, needle.name
    if name is not None:

        def attribute_in(attributes: Attributes, _: str | None) -> bool:
            value = attributes.get(name)
            return value in texts if type(value) is str else op_in(None, value, items)

        return attribute_in

    def is_in(attributes: Attributes, key: str | None) -> bool:
        value = read(attributes, key)
        return value in texts if type(value) is str else op_in(None, value, items)

    return is_in


_VERSION_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "^": lambda left, right: left.major == right.major,
    "~": lambda left, right: left.major == right.major and left.minor == right.minor,
}


def _sem_ver_against(subject: Node, operator: str, wanted: Any) -> Node:
    """`sem_ver` against a constant version, which is read once."""
    test, read = _VERSION_TESTS.get(operator), subject.run
    try:
        right = normalize_version(wanted)
    except ValueError:
        test = None

    def run(attributes: Attributes, key: str | None) -> bool | None:
        value = read(attributes, key)
        if test is None:
            return None
        try:
            return test(normalize_version(value), right)
        except ValueError:
            return None

    return Node(run)


def _hash_value_v3(by: Any, _: str | None) -> int | None:
    return hash_v3(by)
