"""Language: what a flag's targeting sees of a request's language tag (BCP 47, RFC 5646).

A flag sees `language`, the tag in its canonical letters, and `language_primary`, its first subtag:
`HI_in` is seen as `hi-IN` and `hi`. Where an experiment takes no request in `hi-IN`, it is asked
once more with `hi` in the place of the tag, so that an operator who wrote `hi` gets all of Hindi.
The bucketing knows no language, so both give the same variant.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from openfeature_triton.flagd_config.languages import PREFERRED, canonical_letters

LANGUAGE = "language"
PRIMARY = "language_primary"

# Well-formed enough to be told apart from free text: subtags of 1 to 8 letters and digits.
_TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*", re.ASCII)
_MAX_LENGTH = 64


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
    primary = PREFERRED.get(primary, primary)
    return Language(canonical_letters([primary, *others]), primary)
