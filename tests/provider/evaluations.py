"""What one evaluator makes of many contexts, to be compared with another's; no project import.

Run as a module in another process, it answers documents on stdin with what that environment's
`openfeature-flagd-core` makes of them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, OpenFeatureError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, Reason

from tests.provider.request_contexts import Drawn, draw_contexts

Resolve = Callable[[FlagType, str, Any, EvaluationContext], "FlagResolutionDetails[Any]"]
# value as text, variant, reason, error code, metadata as text
Seen = tuple[str, "str | None", str, "str | None", str]

KEY = "größe-flag"
DEFAULTS: tuple[tuple[FlagType, Any], ...] = (
    (FlagType.OBJECT, {}),
    (FlagType.STRING, "own"),
    (FlagType.BOOLEAN, False),
    (FlagType.INTEGER, 1),
    (FlagType.FLOAT, 2),
    (FlagType.OBJECT, {"service": "own"}),
)


def contexts(count: int) -> list[EvaluationContext]:
    """The contexts that every environment evaluates."""
    return [_context(drawn) for drawn in draw_contexts(count)]


def _context(drawn: Drawn) -> EvaluationContext:
    return EvaluationContext(*drawn)


def evaluate(resolve: Resolve, asked: Sequence[EvaluationContext], first: int = 0) -> list[Seen]:
    """What each context gives, as one type after the other; `first` is the first one's number."""
    return [
        _seen(resolve, *DEFAULTS[number % len(DEFAULTS)], context)
        for number, context in enumerate(asked, first)
    ]


def _seen(resolve: Resolve, flag_type: FlagType, default: Any, context: EvaluationContext) -> Seen:
    found = resolve(flag_type, KEY, default, context)
    code = found.error_code
    return (
        repr(found.value),
        found.variant,
        str(found.reason),
        None if code is None else code.value,
        repr(dict(found.flag_metadata)),
    )


def reference(document: dict[str, Any]) -> Resolve:
    """flagd-core's own evaluator, what it raises made into details as the SDK does.

    What a rule provokes beyond OpenFeature's errors (a division by zero, a TypeError) is a parse
    error in flagd.
    """
    core = FlagdCore()
    core.set_flags(json.loads(json.dumps(document)))
    by_type: dict[FlagType, Callable[..., FlagResolutionDetails[Any]]] = {
        FlagType.BOOLEAN: core.resolve_boolean_value,
        FlagType.STRING: core.resolve_string_value,
        FlagType.INTEGER: core.resolve_integer_value,
        FlagType.FLOAT: core.resolve_float_value,
        FlagType.OBJECT: core.resolve_object_value,
    }

    def resolve(
        flag_type: FlagType, key: str, default: Any, context: EvaluationContext
    ) -> FlagResolutionDetails[Any]:
        try:
            return by_type[flag_type](key, default, context)
        except OpenFeatureError as error:
            code = error.error_code
        except Exception:  # noqa: BLE001 - whatever a rule provokes
            code = ErrorCode.PARSE_ERROR
        return FlagResolutionDetails(default, error_code=code, reason=Reason.ERROR)

    return resolve


def answer(first: int, stop: int) -> None:
    """Answer each document on stdin with the distinct results, and which each context had."""
    logging.disable()
    asked = contexts(stop)[first:]
    for line in sys.stdin:
        numbers: dict[Seen, int] = {}
        order = [
            numbers.setdefault(seen, len(numbers))
            for seen in evaluate(reference(json.loads(line)), asked, first)
        ]
        sys.stdout.write(json.dumps([list(numbers), order]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer(int(sys.argv[1]), int(sys.argv[2]))
