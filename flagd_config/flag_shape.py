"""What flagd's evaluators demand of a document before they take it (reference: flagd-core 2)."""

from __future__ import annotations

from typing import Any, NoReturn

from openfeature_triton.flagd_config.errors import Place, RefusedByFlagdError, shown

STATES = ("ENABLED", "DISABLED")
_FIELDS = ("state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector")
_KEEPS = "one refused flag makes flagd's evaluators refuse the whole file"


def check_document(document: Any, place: Place) -> None:
    """Raise RefusedByFlagdError unless the top of a document has the shape that flagd takes."""
    if not isinstance(document, dict):
        _refuse(place, f"a flag file is an object, this is {shown(document)}", 'write {"flags": …}')
    if "flags" not in document:
        _refuse(
            place,
            "there is no `flags`: applied, this would silently remove every flag",
            'put the flags under "flags"',
        )
    _demand_object(document["flags"], place.at("flags"))
    if "metadata" in document:
        _demand_object(document["metadata"], place.at("metadata"))
        check_metadata(document["metadata"], place.at("metadata"))
    if document.get("$evaluators"):
        _demand_object(document["$evaluators"], place.at("$evaluators"))


def check_flag(flag: Any, place: Place) -> None:
    """Raise RefusedByFlagdError unless one flag, `$ref`s resolved, is one that flagd takes."""
    _demand_object(flag, place)
    for field in flag:
        if field not in _FIELDS:
            _refuse(place.at(field), "flags have no such field", f"use only {', '.join(_FIELDS)}")
    _check_state(flag, place)
    _check_variants(flag, place)
    default = flag.get("defaultVariant")
    if default and not isinstance(default, (str, bool)):
        _refuse(
            place.at("defaultVariant"),
            f"{shown(default)} does not name a variant",
            "write a variant's name, or null for the caller's own default",
        )
    if flag.get("metadata"):
        _demand_object(flag["metadata"], place.at("metadata"))
        check_metadata(flag["metadata"], place.at("metadata"))


def check_metadata(metadata: dict[str, Any], place: Place) -> None:
    """Raise RefusedByFlagdError unless each value is a text, a number or a boolean."""
    for key, value in metadata.items():
        if not key:
            _refuse(place, "a metadata key is empty", "give it a name or remove it")
        if not isinstance(value, (str, int, float, bool)):
            _refuse(
                place.at(key),
                f"metadata holds text, numbers and booleans, this is {shown(value)}",
                "write one value, or several in one text separated by commas",
            )


def _check_state(flag: dict[str, Any], place: Place) -> None:
    if "state" not in flag:
        _refuse(place, "the flag has no `state`", 'add "state": "ENABLED" or "DISABLED"')
    if flag["state"] not in STATES:
        _refuse(
            place.at("state"),
            f"the state is {shown(flag['state'])}",
            'write "ENABLED" or "DISABLED", in capitals',
        )


def _check_variants(flag: dict[str, Any], place: Place) -> None:
    if "variants" not in flag:
        _refuse(place, "the flag has no `variants`", 'add "variants": {"name": value, …}')
    _demand_object(flag["variants"], place.at("variants"))
    if not flag["variants"]:
        _refuse(place.at("variants"), "there are no variants in it", "name at least one")


def _demand_object(value: Any, place: Place) -> None:
    if not isinstance(value, dict):
        _refuse(place, f"this must be an object, it is {shown(value)}", "write {…}")


def _refuse(place: Place, problem: str, advice: str) -> NoReturn:
    advice = advice if place.flag_key is None else f"{advice} ({_KEEPS})"
    raise RefusedByFlagdError(place, problem, advice)
