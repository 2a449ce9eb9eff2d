"""Functions that other folders, or other distributions, offer to the command line.

This folder imports no other, yet `experiment new` wants the planner's number and `plan` the
store's traffic. Whoever has such a function names it as an entry point, and reinstalls:

    [options.entry_points]
    openfeature_triton.offers =
        requests_per_arm = openfeature_triton.dashboard.statistics.planner:requests_per_arm

It takes and gives plain values, as neither side knows the other's types. An offer of a kind that
several may make is named `<kind>.<who>`, e.g. `check.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

GROUP = "openfeature_triton.offers"
Offer = Callable[..., Any]


class NotOfferedError(LookupError):
    """Nobody offers the function; says how to get it."""


def offered(name: str) -> Offer:
    """Load the one function that is offered under a name; raises NotOfferedError."""
    for found in entry_points(group=GROUP, name=name):
        try:
            offer: Offer = found.load()
        except (ImportError, AttributeError) as error:
            raise NotOfferedError(_advice(name, f" ({type(error).__name__})")) from error
        return offer
    raise NotOfferedError(_advice(name))


def names_offered(kind: str) -> tuple[str, ...]:
    """Give who offers a function of a kind, by name; nothing is loaded."""
    names = {each.name for each in entry_points(group=GROUP) if each.name.startswith(f"{kind}.")}
    return tuple(sorted(name.removeprefix(f"{kind}.") for name in names))


def _advice(name: str, why: str = "") -> str:
    return (
        f"{name!r} can't be had{why}; "
        "reinstall with: pip install --force-reinstall openfeature-triton"
    )
