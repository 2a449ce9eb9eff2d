"""The members of a large JSON object one by one, each with its own text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.syntax import json_object

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(object_pairs_hook=json_object)


class Member(NamedTuple):
    """One key of an object, its value, and the value's text."""

    key: str
    value: Any
    text: str


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
        value, self.end = _DECODER.raw_decode(self._text, start)
        return Member(key, value, self._text[start : self.end])

    def _is_next(self, what: str) -> bool:
        """Skip white space, and say whether this follows."""
        space = _SPACE.match(self._text, self.end)
        self.end = space.end() if space else self.end
        return self._text.startswith(what, self.end)

    def _expect(self, what: str) -> None:
        if not self._is_next(what):
            raise NotMembersError(f"{what} is missing at {self.end}")
        self.end += len(what)
