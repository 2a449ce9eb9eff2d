"""The members of a large JSON object one by one, each with its own text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from math import isfinite
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.json_values import MAX_DEPTH, MAX_VALUES
from openfeature_triton.flagd_config.syntax import json_object

_SPACE = re.compile(r"[ \t\n\r]*")


class Member(NamedTuple):
    """One key of an object, its value, and the value's text.

    `is_plain` says that `check_values` has nothing against it.
    """

    key: str
    value: Any
    text: str
    is_plain: bool = False


class NotMembersError(ValueError):
    """The text is no object of JSON; decoding the whole says where and why."""


class Members:
    """Iterates once over the object that begins at `start`; `end` is the index behind it then.

    The object under the key `within` comes as `Members` of its own, to be gone through before
    the next one is asked for. Raises NotMembersError or JSONDecodeError.
    """

    def __init__(self, text: str, start: int, within: str | None = None) -> None:
        self._text = text
        self._within = within
        self.end = start
        self._odd = False
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=self._float, parse_constant=self._constant
        ).raw_decode

    def __iter__(self) -> Iterator[Member]:
        self._expect("{")
        while not self._is_next("}"):
            member = self._member()
            yield member
            if isinstance(member.value, Members):
                self.end = member.value.end
            if not self._is_next("}"):
                self._expect(",")
                if not self._is_next('"'):
                    raise NotMembersError(f"no key at {self.end}")
        self._expect("}")

    def _member(self) -> Member:
        self._expect('"')
        key, self.end = scanstring(self._text, self.end, True)
        self._expect(":")
        if key == self._within and self._is_next("{"):
            return Member(key, Members(self._text, self.end), "")
        self._is_next("")
        start = self.end
        self._odd = False
        value, self.end = self._decode(self._text, start)
        text = self._text[start : self.end]
        return Member(key, value, text, not self._odd and key.isascii() and _is_plain(text))

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self._odd = True
        return json_object(pairs)

    def _float(self, text: str) -> float:
        number = float(text)
        self._odd = self._odd or not isfinite(number)
        return number

    def _constant(self, text: str) -> float:
        """NaN and Infinity, which are not JSON."""
        self._odd = True
        return float(text)

    def _is_next(self, what: str) -> bool:
        """Skip white space, and say whether this follows."""
        space = _SPACE.match(self._text, self.end)
        self.end = space.end() if space else self.end
        return self._text.startswith(what, self.end)

    def _expect(self, what: str) -> None:
        if not self._is_next(what):
            raise NotMembersError(f"{what} is missing at {self.end}")
        self.end += len(what)


def _is_plain(text: str) -> bool:
    """Whether a text is too short to hold too much, too deep, and no half of a character."""
    is_small = len(text) < MAX_VALUES and text.count("{") + text.count("[") < MAX_DEPTH
    return is_small and "\\u" not in text
