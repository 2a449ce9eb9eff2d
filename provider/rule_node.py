"""One compiled rule: what is run for a request, and what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.bucketing import Split

Attributes = Mapping[str, Any]
# From a request's attributes and its targeting key to what the rule gives.
Run = Callable[[Attributes, "str | None"], Any]

Names = frozenset[str] | None
NO_NAMES: frozenset[str] = frozenset()


class TextTest(NamedTuple):
    """Holds for an attribute that is one of these texts, and not for another text or null.

    For one that is a number, a boolean, a list, an object: who knows.
    """

    name: str
    texts: frozenset[str]


class Node(NamedTuple):
    """One compiled rule: a constant, or what to run, and what is known of it.

    `boolean` says that it gives true or false and nothing else; `reads` is the attribute that it
    gives as it is; `test` is what it tests, `split` what it does with the targeting key, if that
    is all. `parts` are those of an `and`, `case` is the condition and the result of an `if` without
    an else. `names` are the attributes that it may look at, None for any.
    """

    run: Run
    constant: bool = False
    value: Any = None
    boolean: bool = False
    reads: str | None = None
    test: TextTest | None = None
    split: Split | None = None
    parts: tuple[Node, ...] = ()
    case: tuple[Node, Node] | None = None
    names: Names = None


def constant(value: Any) -> Node:
    """A rule that gives the same for every request."""
    boolean = value is True or value is False
    return Node(lambda _attributes, _key: value, True, value, boolean, names=NO_NAMES)


NOTHING = constant(None)


def names_of(nodes: Iterable[Node]) -> Names:
    """The attributes that any of some rules may look at, None for any."""
    found = NO_NAMES
    for node in nodes:
        if node.names is None:
            return None
        if node.names:
            found |= node.names
    return found


def with_name(name: str, names: Names) -> Names:
    """One more attribute."""
    return None if names is None else names | {name}


def folded(node: Node) -> Node:
    """A rule over constants; one that raises is left to raise for each request."""
    try:
        return constant(node.run({}, None))
    except Exception:  # noqa: BLE001 - operators raise whatever their arguments provoke
        return node
