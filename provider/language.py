"""Language: what a flag's targeting sees of a request's language tag (BCP 47, RFC 5646).

A flag sees `language`, the tag in its canonical letters, and `language_primary`, its first subtag:
`HI_in` is seen as `hi-IN` and `hi`. Where an experiment takes no request in `hi-IN`, it is asked
once more with `hi` in the place of the tag, so that an operator who wrote `hi` gets all of Hindi.
The bucketing knows no language, so both give the same variant.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

LANGUAGE = "language"
PRIMARY = "language_primary"

# Well-formed enough to be told apart from free text: subtags of 1 to 8 letters and digits.
_TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*", re.ASCII)
_MAX_LENGTH = 64

_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
"""Primary subtags that the registry of RFC 5646 (section 3.1.7) prefers another for."""


class Language(NamedTuple):
    """A canonical tag and its primary subtag; `primary` is empty for what is no tag."""

    tag: str
    primary: str


@lru_cache(maxsize=1024)
def read_language(text: str) -> Language:
    """Read a tag, `_` taken for `-`; what is none is left as it is, without a primary subtag."""
    tag = text.replace("_", "-").lower()
    if len(tag) > _MAX_LENGTH or not _TAG.fullmatch(tag):
        return Language(text, "")
    primary, *others = tag.split("-")
    primary = _RENAMED.get(primary, primary)
    return Language(_canonical_letters([primary, *others]), primary)


def _canonical_letters(subtags: list[str]) -> str:
    """Region in capitals, script in title case, all else small (RFC 5646, section 2.1.1)."""
    written = subtags[:1]
    for before, subtag in pairwise(subtags):
        if len(before) == 1:  # extensions and private use stay small
            return "-".join([*written, *subtags[len(written) :]])
        written.append({2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag))
    return "-".join(written)
