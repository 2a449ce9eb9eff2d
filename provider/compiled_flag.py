"""One flag compiled: from a request to an outcome that was made when the flag arrived."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagType, Reason

from openfeature_triton.flagd_config.dates import take_dates
from openfeature_triton.flagd_config.shipped import read_shipped
from openfeature_triton.provider.forced import forced_branches
from openfeature_triton.provider.guards import Guarded, guarded
from openfeature_triton.provider.language import LANGUAGE, PRIMARY, read_language
from openfeature_triton.provider.rule_compiler import RuleCompiler
from openfeature_triton.provider.rule_node import Attributes, Node, Run, constant

Metadata = Mapping[str, "bool | int | float | str"]
NO_METADATA: Metadata = MappingProxyType({})
_NO_LANGUAGE = ("", "")
_NO_COUNTS: Mapping[str, int] = MappingProxyType({})


class Outcome(NamedTuple):
    """What a flag gives: a variant with its value, the caller's default, or an error.

    `types` are those as which the value may be asked for; `forced` says of an experiment's variant
    that its split did not choose it; `plain` says that the value is no object or list, so that it
    can be handed out as it is; `matched` says that targeting gave it.
    """

    reason: Reason
    variant: str | None = None
    value: Any = None
    service_id: str | None = None
    types: frozenset[FlagType] = frozenset()
    forced: bool = False
    plain: bool = True
    error_code: ErrorCode | None = None
    message: str | None = None
    matched: bool = False


class CompiledFlag:
    """A flag of one document, for reading only.

    `uncompiled` counts the operators in it that are left to the reference implementation;
    `guarded` tells what a request must say for an experiment to give it anything. `by_task` says
    that services may ask for it by task type: it is an experiment, concluded or not.
    """

    __slots__ = (
        "_default",
        "_forced",
        "_outcomes",
        "_run",
        "_wants_primary",
        "by_task",
        "experiment",
        "guarded",
        "key",
        "metadata",
        "uncompiled",
    )

    def __init__(
        self, key: str, flag: Mapping[str, Any], metadata: Metadata, bucketing: str
    ) -> None:
        self.key = key
        self.metadata = metadata
        self.experiment = "phase" in metadata and metadata.get("experiment") is True
        self.by_task = self.experiment or read_shipped(key, flag) is not None
        self.uncompiled: Mapping[str, int] = _NO_COUNTS
        self.guarded: Guarded | None = None
        self._outcomes = _targeted(flag["variants"])
        self._run: Run | None = None
        self._forced: Run | None = None
        self._wants_primary = False
        targeting = flag.get("targeting")
        self._default = _default_outcome(flag, Reason.DEFAULT if targeting else Reason.STATIC)
        if flag["state"] == "DISABLED":
            self._default = Outcome(Reason.DISABLED)
        elif targeting and not isinstance(targeting, dict):
            self._default = failure(ErrorCode.PARSE_ERROR, f"flag {key!r}: `targeting` is no rule")
        elif targeting:
            self._compile(targeting, bucketing)
        elif self.by_task:  # concluded, and all that it took get the default
            self.guarded = guarded(constant(self._default.variant))

    def _compile(self, targeting: Any, bucketing: str) -> None:
        compiler = RuleCompiler(self.key, bucketing)
        rule = compiler.compile(targeting)
        self._run, self.uncompiled = rule.run, compiler.uncompiled or _NO_COUNTS
        if self.experiment:
            self._forced = forced_branches(self.key, targeting, bucketing)
        if self.by_task:
            self.guarded = _guarded(targeting, rule, bucketing, self.key)
            names = rule.names
            self._wants_primary = PRIMARY in (str(targeting) if names is None else names)

    def evaluate(self, attributes: Attributes, targeting_key: str | None) -> Outcome:
        """The outcome of one request; never raises."""
        run = self._run
        if run is None:
            return self._default
        try:
            result = run(attributes, targeting_key)
        except Exception as error:  # noqa: BLE001 - json-logic raises whatever a rule provokes
            return failure(ErrorCode.PARSE_ERROR, f"flag {self.key!r}: {type(error).__name__}")
        found = self._outcomes.get(result) if type(result) is str else None
        return found or self.outcome(result)

    def evaluate_in_language(self, attributes: Attributes, targeting_key: str | None) -> Outcome:
        """The outcome of a request by its language's tag, else by the tag's first subtag."""
        given = attributes.get(LANGUAGE)
        tag, primary = read_language(given) if isinstance(given, str) else _NO_LANGUAGE
        if primary and (
            tag != given or (self._wants_primary and attributes.get(PRIMARY) != primary)
        ):
            attributes = {**attributes, LANGUAGE: tag, PRIMARY: primary}
        found = self.evaluate(attributes, targeting_key)
        if found.matched:
            return (
                found if self._forced is None else self._told_of(found, attributes, targeting_key)
            )
        if found.variant is None and found.error_code is None and primary and primary != tag:
            attributes = {**attributes, LANGUAGE: primary}
            found = self.evaluate(attributes, targeting_key)
        return self._told_of(found, attributes, targeting_key)

    def _told_of(
        self, found: Outcome, attributes: Attributes, targeting_key: str | None
    ) -> Outcome:
        """An outcome that says if the split did not choose its variant."""
        if found.variant is None:
            return found
        by_default = self.experiment and not found.matched
        forced = by_default or self.is_forced(attributes, targeting_key)
        return found._replace(forced=True) if forced else found

    @property
    def has_forced(self) -> bool:
        """Whether a rule before the split may give a variant."""
        return self._forced is not None

    def is_forced(self, attributes: Attributes, targeting_key: str | None) -> bool:
        """Whether a rule before the split gives a variant; never raises."""
        if self._forced is None:
            return False
        try:
            return self._forced(attributes, targeting_key) is not None
        except Exception:  # noqa: BLE001 - json-logic raises whatever a rule provokes
            return False

    def outcome(self, result: Any) -> Outcome:
        """The outcome of what the targeting gave."""
        if result is None:
            return self._default
        if result is True or result is False:
            result = "true" if result else "false"
        return self._outcomes.get(str(result)) or _unknown_variant(str(result))


def _guarded(targeting: Any, rule: Node, bucketing: str, key: str) -> Guarded:
    """The guards of a rule, also where dates stand around all of it."""
    dates, undated = take_dates(targeting)
    if not dates:
        return guarded(rule)
    found = guarded(RuleCompiler(key, bucketing).compile(undated))
    run, start, end = found.run, dates.start or 0, dates.end or math.inf

    def between(attributes: Attributes, targeting_key: str | None) -> Any:
        """What the rule gives while its dates let it take requests."""
        return run(attributes, targeting_key) if start <= time.time() < end else None

    return found._replace(run=between, split=None)


def failure(code: ErrorCode, message: str) -> Outcome:
    """An outcome that leaves the caller's default in place, with the reason why."""
    return Outcome(Reason.ERROR, error_code=code, message=message)


def named_service(value: object) -> str | None:
    """The id in a variant's `{"service": "<service_id>"}`; None for any other value."""
    if isinstance(value, Mapping) and len(value) == 1:
        service_id = value.get("service")
        return service_id if isinstance(service_id, str) else None
    return None


def _unknown_variant(name: str) -> Outcome:
    return failure(ErrorCode.GENERAL, f"Resolved variant {name} not in variants config.")


def _default_outcome(flag: Mapping[str, Any], reason: Reason) -> Outcome:
    """What the flag gives where no targeting decides."""
    name = flag.get("defaultVariant")
    if isinstance(name, bool):
        name = "true" if name else "false"
    if not name:
        return Outcome(Reason.DEFAULT)
    if name not in flag["variants"]:
        return _unknown_variant(name)
    return _made(reason, name, flag["variants"][name])


def _targeted(variants: Mapping[str, Any]) -> dict[str, Outcome]:
    """The outcome of each variant that targeting can name; flagd takes no null value for one."""
    return {
        name: _made(Reason.TARGETING_MATCH, name, value)
        for name, value in variants.items()
        if name and value is not None
    }


def _made(reason: Reason, name: str, value: Any) -> Outcome:
    plain = not isinstance(value, (dict, list))
    matched = reason is Reason.TARGETING_MATCH
    service_id = named_service(value)
    return Outcome(reason, name, value, service_id, _types(value), plain=plain, matched=matched)


def _types(value: Any) -> frozenset[FlagType]:
    """The types as which flagd hands out a value; it lets a boolean pass for a float."""
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int):
        return _INTEGER
    if isinstance(value, float):
        return _FLOAT
    if isinstance(value, str):
        return _STRING
    return _OBJECT if isinstance(value, (dict, list)) else frozenset()


_BOOLEAN = frozenset((FlagType.BOOLEAN, FlagType.FLOAT))
_INTEGER = frozenset((FlagType.INTEGER, FlagType.FLOAT))
_FLOAT = frozenset((FlagType.FLOAT,))
_STRING = frozenset((FlagType.STRING,))
_OBJECT = frozenset((FlagType.OBJECT,))
