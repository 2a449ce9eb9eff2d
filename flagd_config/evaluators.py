"""Shared rules: `{"$ref": "name"}` stands for the rule of that name under `$evaluators`."""

from __future__ import annotations

from typing import Any

from openfeature_triton.flagd_config.errors import Place, RefusedByFlagdError, shown
from openfeature_triton.flagd_config.json_values import Budget


class References:
    """Resolves the references in the flags of one document.

    flagd-core replaces one evaluator after the other in the text of all flags, so a rule may
    refer only to rules that stand after it. This gives the same, without going through text
    (where a backslash or a letter outside ASCII in a rule breaks flagd-core's replacement).
    A reference that stays unresolved in `targeting` raises RefusedByFlagdError; elsewhere it
    is a value like any other (a variant may hold a JSON schema).
    """

    def __init__(self, evaluators: dict[str, Any], place: Place) -> None:
        self._rules = evaluators
        self._order = {name: index for index, name in enumerate(evaluators)}
        self._top = place
        self._budget = Budget(place)

    def resolve(self, flag_key: str, flag: Any) -> Any:
        """Give a copy of a flag with each reference replaced by its rule."""
        return self._resolve(flag, ("flags", flag_key), -1)

    def _resolve(self, value: Any, steps: tuple[str | int, ...], after: int) -> Any:
        """Copy a value; only references to rules that stand later than `after` are replaced."""
        self._budget.spend(len(steps))
        if isinstance(value, list):
            return [self._resolve(item, (*steps, i), after) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and "$ref" in value:
            return self._reference(value, steps, after)
        return {key: self._resolve(item, (*steps, key), after) for key, item in value.items()}

    def _reference(self, value: dict[str, Any], steps: tuple[str | int, ...], after: int) -> Any:
        name = value["$ref"]
        index = self._order.get(name, -1) if isinstance(name, str) else -1
        if index > after:
            return self._resolve(self._rules[name], steps, index)
        if steps[2:3] == ("targeting",):
            raise RefusedByFlagdError(self._top.at(*steps), *self._why(name))
        return {"$ref": self._resolve(name, (*steps, "$ref"), after)}

    def _why(self, name: Any) -> tuple[str, str]:
        if isinstance(name, str) and name in self._order:
            return (
                f"the evaluator {name!r} is referred to by itself or by one that stands after it",
                f"under $evaluators, move {name!r} below the ones that refer to it",
            )
        known = ", ".join(self._order) or "none"
        return (
            f"$ref names {shown(name)}, which is not under $evaluators (there: {known})",
            "define it there, or correct the name",
        )
