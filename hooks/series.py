"""Series: whose numbers they are, as tags that a store can bear.

A service may hand over anything. What reaches a store is text of at most 64 printable characters,
a task type that is known, and a language in the canonical form of BCP 47; the rest is `other`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

OTHER = "other"
"""The value of a tag whose own value is not fit to be one."""

MAX_TAG_LENGTH = 64

# RFC 5646, section 2.1, without the grandfathered tags; `_` is taken for `-`, as locales write it.
_BCP_47 = re.compile(
    r"""(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})  # language, extended language
        (?:-[a-z]{4})?                               # script
        (?:-(?:[a-z]{2}|[0-9]{3}))?                  # region
        (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*     # variants
        (?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*          # extensions
        (?:-x(?:-[a-z0-9]{1,8})+)?                   # private use
        | x(?:-[a-z0-9]{1,8})+""",
    re.VERBOSE | re.ASCII,
)


class Series(NamedTuple):
    """Whose outcomes are counted together; `served` differs from `variant` after a fallback."""

    experiment: str
    phase: str
    variant: str
    served: str
    task_type: str
    language: str


class Evaluation(NamedTuple):
    """Which flag evaluations are counted together; `variant` and `error_code` may be empty."""

    experiment: str
    variant: str
    reason: str
    error_code: str


def fit_series(series: Series, task_types: Collection[str]) -> Series:
    """Give the series with each value fit to be a tag."""
    experiment, phase, variant, served, task_type, language = series
    return Series(
        fit_tag(experiment),
        fit_tag(phase),
        fit_tag(variant),
        fit_tag(served),
        task_type if task_type in task_types or task_type == "" else OTHER,
        fit_language(language),
    )


def fit_evaluation(evaluation: Evaluation) -> Evaluation:
    """Give the evaluation with each value fit to be a tag."""
    return Evaluation(*map(fit_tag, evaluation))


def fit_tag(value: object) -> str:
    """Give the value itself if it is short printable text (or empty), else `other`."""
    if isinstance(value, str) and len(value) <= MAX_TAG_LENGTH and value.isprintable():
        return str(value)
    return OTHER


def fit_language(language: object) -> str:
    """Give a BCP 47 tag in its canonical letters (`HI-in`: `hi-IN`), empty text, or `other`."""
    tag = fit_tag(language).replace("_", "-").lower()
    if tag in ("", OTHER):
        return tag
    return _canonical_letters(tag) if _BCP_47.fullmatch(tag) else OTHER


def _canonical_letters(tag: str) -> str:
    """Region in capitals, script in title case, all else small (RFC 5646, section 2.1.1)."""
    subtags = tag.split("-")
    written = subtags[:1]
    for before, subtag in pairwise(subtags):
        if len(before) == 1:
            return "-".join([*written, *subtags[len(written) :]])
        written.append({2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag))
    return "-".join(written)
