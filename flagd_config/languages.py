"""Languages as BCP 47 writes them, the form in which requests name theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

# RFC 5646, section 2.1, of which two and three letters are the languages that anybody uses.
_TAG = re.compile(
    r"[a-z]{2,3}(?:-[a-z]{3}){0,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+",
    re.ASCII,
)


PREFERRED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
"""Primary subtags that the registry of RFC 5646 (section 3.1.7) prefers another for."""


def canonical_language(text: str) -> str | None:
    """Give a tag in its canonical form (`HI_in`: `hi-IN`); None for what is no language."""
    tag = text.replace("_", "-").lower()
    if not _TAG.fullmatch(tag):
        return None
    primary, *others = tag.split("-")
    return canonical_letters([PREFERRED.get(primary, primary), *others])


def canonical_letters(subtags: Sequence[str]) -> str:
    """Region in capitals, script in title case, all else small (RFC 5646, section 2.1.1)."""
    written = list(subtags[:1])
    for before, subtag in pairwise(subtags):
        if len(before) == 1:  # extensions and private use stay small
            return "-".join([*written, *subtags[len(written) :]])
        written.append({2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag))
    return "-".join(written)
