"""Direct hooks: OpenFeature hooks that can be told of an evaluation once it is over.

The SDK takes every hook through its stages around each evaluation, which takes longer than all
else on a request's way. A hook that only looks at how an evaluation ended says so by a method
`evaluation_finished`; where each hook of API, client and provider has one, the SDK is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from typing import Any, Protocol, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.hook import Hook

_FINISHED = "evaluation_finished"
_STAGES = frozenset({"before", "after", "error", "finally_after", "supports_flag_value_type"})


class DirectHook(Protocol):
    """A hook whose one method stands for all of its stages."""

    def evaluation_finished(
        self, details: FlagEvaluationDetails[Any], context: EvaluationContext, duration_us: float
    ) -> None:
        """Take an evaluation that is over, as `finally_after` would, and how long it took."""


Told = tuple[DirectHook, ...]


class DirectHooks:
    """Tells whether all hooks are direct; looks at them anew only when they are others."""

    def __init__(self) -> None:
        self._known: tuple[tuple[Hook, ...], Told | None] = ((), ())

    def among(self, hooks: tuple[Hook, ...]) -> Told | None:
        """Give the hooks in the order in which they are told, the SDK's; None if one is not direct.

        Args:
            hooks: those of the API, the client and the provider, in this order.
        """
        known, told = self._known
        if len(known) != len(hooks) or not all(map(is_, known, hooks)):
            told = _told(hooks)
            self._known = (hooks, told)
        return told


def _told(hooks: Iterable[Hook]) -> Told | None:
    found = tuple(hooks)[::-1]
    return cast("Told", found) if all(map(is_direct, found)) else None


def is_direct(hook: object) -> bool:
    """Whether one method stands for all that a hook does: nothing derived from it adds a stage."""
    if not _STAGES.isdisjoint(getattr(hook, "__dict__", ())):
        return False
    for kind in type(hook).__mro__:
        if callable(vars(kind).get(_FINISHED)):
            return True
        if not _STAGES.isdisjoint(vars(kind)):
            return False
    return False
