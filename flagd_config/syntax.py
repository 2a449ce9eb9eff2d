"""From the bytes of a flag file to the values in it, as JSON or as YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config.errors import MalformedFileError, Place, UnreadableFileError
from openfeature_triton.flagd_config.json_values import RepeatedKey, check_values, too_deep

BYTE_ORDER_MARK = "\ufeff"


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file; raises UnreadableFileError that says why it cannot be read."""
    place = Place(str(path))
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UnreadableFileError(
            place, "there is no such file", "check the path, or start from an example"
        ) from error
    except IsADirectoryError as error:
        raise UnreadableFileError(
            place, "this is a directory", "name the flag file inside it"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFileError(
            place, f"it cannot be read ({reason})", "check the path and its permissions"
        ) from error


def parse(text: str | bytes, *, source: str, yaml: bool) -> Any:
    """Give the document's values: dict, list, str, int, float, bool or None.

    Raises MalformedFileError, with line and column where the syntax is wrong.
    """
    place = Place(source)
    decoded = decode(text, place)
    value = _parse_yaml(decoded, place) if yaml else _parse_json(decoded, place)
    check_values(value, place)
    return value


def decode(text: str | bytes, place: Place) -> str:
    """Give the text; raises MalformedFileError where it is not UTF-8, or empty."""
    try:
        raw = text.encode() if isinstance(text, str) else text
        decoded = raw.decode()
    except UnicodeError as error:
        raise MalformedFileError(
            place,
            f"it is not UTF-8 text (at byte {getattr(error, 'start', 0)})",
            "save the file as UTF-8 without a byte order mark",
        ) from error
    if not decoded.lstrip(BYTE_ORDER_MARK + " \t\r\n"):
        raise MalformedFileError(
            place, "the file is empty", 'write at least {"flags": {}}, or restore it from git'
        )
    return decoded


def _parse_yaml(text: str, place: Place) -> Any:
    # Imported here: most files are JSON, and PyYAML is slow to import.
    from openfeature_triton.flagd_config.yaml_syntax import parse_yaml  # noqa: PLC0415

    return parse_yaml(text, place)


def _parse_json(text: str, place: Place) -> Any:
    if text.startswith(BYTE_ORDER_MARK):
        raise MalformedFileError(
            place,
            "it starts with a byte order mark, which flagd refuses in JSON",
            "save the file as UTF-8 without a byte order mark",
            line=1,
            column=1,
        )
    try:
        return json.loads(text, object_pairs_hook=json_object)
    except json.JSONDecodeError as error:
        raise _syntax_error(error, text, place) from error
    except RecursionError:
        raise too_deep(place) from None
    except ValueError as error:  # an integer of thousands of digits
        raise MalformedFileError(
            place, "a number in it has too many digits", "write a shorter number, or a text"
        ) from error


def json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members, and remember a key that stands twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    repeated = RepeatedKey(found)
    repeated.key = next(key for key in keys if keys.count(key) > 1)
    return repeated


def _syntax_error(error: json.JSONDecodeError, text: str, place: Place) -> MalformedFileError:
    cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    if cut_off:
        problem, advice = "the JSON ends in the middle", "the file looks cut off: write it again"
    else:
        problem, advice = f"this is not JSON ({error.msg})", "correct the syntax at this place"
    return MalformedFileError(place, problem, advice, error.lineno, error.colno)
