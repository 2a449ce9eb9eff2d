"""Stands for: whether one method does all that others would, derived classes and instances too."""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def stands_for(thing: object, method: str, others: AbstractSet[str]) -> bool:
    """Whether nothing derived from where `method` is defined changes one of the `others`."""
    if not others.isdisjoint(getattr(thing, "__dict__", ())):
        return False
    for kind in type(thing).__mro__:
        if callable(vars(kind).get(method)):
            return True
        if not others.isdisjoint(vars(kind)):
            return False
    return False
