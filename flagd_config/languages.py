"""Languages as BCP 47 writes them, the form in which requests name theirs."""

from __future__ import annotations

import re

# RFC 5646, section 2.1, of which two and three letters are the languages that anybody uses.
_TAG = re.compile(
    r"[a-z]{2,3}(?:-[a-z]{3}){0,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+",
    re.ASCII,
)


def canonical_language(text: str) -> str | None:
    """Give a tag in its canonical letters (`HI_in`: `hi-IN`); None for what is no language."""
    tag = text.replace("_", "-").lower()
    if not _TAG.fullmatch(tag):
        return None
    first, *rest = tag.split("-")
    written, before = [first], first
    for subtag in rest:
        if len(before) == 1:
            written.append(subtag)
        elif len(subtag) == 2:
            written.append(subtag.upper())
        elif len(subtag) == 4 and subtag.isalpha():
            written.append(subtag.title())
        else:
            written.append(subtag)
        before = subtag
    return "-".join(written)
