"""Direct hooks: OpenFeature hooks that can be told of an evaluation once it is over.

The SDK takes every hook through its stages around each evaluation, which takes longer than all
else on a request's way. A hook that only looks at how an evaluation ended says so by a method
`evaluation_finished`; where each hook of API, client and provider has one, the SDK is left out.
Requests of a variant end alike: a hook that has a method `listener`, too, is told once how, and
gives what hears of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import is_
from typing import Any, Protocol, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.hook import Hook

from openfeature_triton.provider.stands_for import stands_for

_FINISHED, _LISTENER = "evaluation_finished", "listener"
_STAGES = frozenset({"before", "after", "error", "finally_after", "supports_flag_value_type"})


class DirectHook(Protocol):
    """A hook whose one method stands for all of its stages."""

    def evaluation_finished(
        self, details: FlagEvaluationDetails[Any], context: EvaluationContext, duration_us: float
    ) -> None:
        """Take an evaluation that is over, as `finally_after` would, and how long it took."""


Told = tuple[DirectHook, ...]
Listener = Callable[[EvaluationContext, float], None]


class DirectHooks:
    """Tells whether all hooks are direct; looks at them anew only when they are others.

    It remembers them by their number, as telemetry's comes and goes from request to request.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Hook, ...], Told | None]] = {}

    def among(self, hooks: tuple[Hook, ...]) -> Told | None:
        """Give the hooks in the order in which they are told, the SDK's; None if one is not direct.

        Args:
            hooks: those of the API, the client and the provider, in this order.
        """
        number = len(hooks)
        known = self._known.get(number)
        if known is None or not all(map(is_, known[0], hooks)):
            known = self._known[number] = hooks, _told(hooks)
        return known[1]


def _told(hooks: Iterable[Hook]) -> Told | None:
    found = tuple(hooks)[::-1]
    return cast("Told", found) if all(map(is_direct, found)) else None


def listeners(hooks: Told, details: FlagEvaluationDetails[Any]) -> tuple[Listener, ...]:
    """What to call for each evaluation that ends so: its context, and how long it took."""
    return tuple(_listener(hook, details) for hook in hooks)


def _listener(hook: Any, details: FlagEvaluationDetails[Any]) -> Listener:
    """The hook's own `listener` of such evaluations, if it makes one, or else its one method."""
    if stands_for(hook, _LISTENER, _STAGES | {_FINISHED}):
        with suppress(Exception):  # then it is told each time
            own: Listener = hook.listener(details)
            return own

    def listen(context: EvaluationContext, duration_us: float) -> None:
        """Tell the hook of one evaluation."""
        hook.evaluation_finished(details, context, duration_us)

    return listen


def is_direct(hook: object) -> bool:
    """Whether one method stands for all that a hook does: nothing derived from it adds a stage."""
    return stands_for(hook, _FINISHED, _STAGES)
