"""The tests that targeting is made of: equal to a text, one of some texts, versions, text edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from json_logic.builtins import op_equals, op_in
from openfeature.contrib.tools.flagd.core.targeting.custom_ops import normalize_version

from openfeature_triton.provider.rule_node import Attributes, Node, Run, TextTest

Test = Callable[[Any], bool]


def equality(subject: Node, text: str, operator: str) -> Node:
    """`==`, `!=`, `===`, `!==` of something and a constant text."""
    if operator in ("!=", "!=="):
        run = _differs(subject.run, text, _equal_to(text, operator))
        return Node(run, boolean=True, names=subject.names)
    if subject.reads is not None:
        return _attribute_equals(subject, text, operator)
    return _one_of(subject, frozenset((text,)), _equal_to(text, operator))


@lru_cache(maxsize=1024)  # many flags test the same
def _attribute_equals(subject: Node, text: str, operator: str) -> Node:
    return _one_of(subject, frozenset((text,)), _equal_to(text, operator))


def membership(subject: Node, items: list[Any]) -> Node:
    """`in` with a constant list."""
    texts = frozenset(item for item in items if type(item) is str)
    node = _one_of(subject, texts, lambda value: op_in(None, value, items))
    return node._replace(test=None) if None in items else node


def both_text_tests(one: TextTest, other: TextTest, first: Run, second: Run) -> Run:
    """Two tests at once; by `first` and `second` where an attribute is no text."""
    (name, texts), (other_name, other_texts) = one, other

    def run(attributes: Attributes, key: str | None) -> Any:
        value, other_value = attributes.get(name), attributes.get(other_name)
        if type(value) is str and type(other_value) is str:
            return value in texts and other_value in other_texts
        return first(attributes, key) and second(attributes, key)

    return run


def any_text_test(tests: Sequence[TextTest | None], one_by_one: Run) -> Node | None:
    """Several tests of the same attribute as one; None if they are not that."""
    texts: frozenset[str] = frozenset()
    names = {test.name if test else None for test in tests}
    name = names.pop()
    if names or name is None:
        return None
    texts = texts.union(*(test.texts for test in tests if test))

    def run(attributes: Attributes, key: str | None) -> Any:
        value = attributes.get(name)
        return value in texts if type(value) is str else one_by_one(attributes, key)

    return Node(run, boolean=True, test=TextTest(name, texts), names=frozenset((name,)))


def _equal_to(text: str, operator: str) -> Test:
    if operator in ("==", "!="):
        return lambda value: op_equals(None, value, text)
    return lambda value: bool(value == text)


def _one_of(subject: Node, texts: frozenset[str], otherwise: Test) -> Node:
    """Whether something is one of these texts, or passes a test if it is no text."""
    name, read = subject.reads, subject.run
    if name is not None:

        def attribute_is(attributes: Attributes, _: str | None) -> bool:
            value = attributes.get(name)
            return value in texts if type(value) is str else otherwise(value)

        test = TextTest(name, texts)
        return Node(attribute_is, boolean=True, test=test, names=subject.names)

    def is_one(attributes: Attributes, key: str | None) -> bool:
        value = read(attributes, key)
        return value in texts if type(value) is str else otherwise(value)

    return Node(is_one, boolean=True, names=subject.names)


def _differs(read: Run, text: str, equal: Test) -> Run:
    def run(attributes: Attributes, key: str | None) -> bool:
        value = read(attributes, key)
        return value != text if type(value) is str else not equal(value)

    return run


def text_edge(name: str, text: Run, edge: Run) -> Run:
    """`starts_with` and `ends_with`: null unless both are texts."""
    test = str.startswith if name == "starts_with" else str.endswith

    def run(attributes: Attributes, key: str | None) -> bool | None:
        whole, part = text(attributes, key), edge(attributes, key)
        if isinstance(whole, str) and isinstance(part, str):
            return test(whole, part)
        return None

    return run


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


def version_test(read: Run, operator: str, wanted: Any) -> Run:
    """`sem_ver` against a constant version, which is read once."""
    test = _VERSION_TESTS.get(operator)
    try:
        right = normalize_version(wanted)
    except ValueError:
        test = None

    def run(attributes: Attributes, key: str | None) -> bool | None:
        """Compare; None where one of the two is no version."""
        value = read(attributes, key)
        if test is None:
            return None
        try:
            return test(normalize_version(value), right)
        except ValueError:
            return None

    return run
