"""Tags that a store can bear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.hooks.series import (
    Evaluation,
    Series,
    fit_evaluation,
    fit_language,
    fit_series,
    fit_tag,
)

TASK_TYPES = frozenset({"asr", "nmt"})


@pytest.mark.parametrize(
    ("given_tag", "canonical"),
    [
        ("hi", "hi"),
        ("HI-in", "hi-IN"),
        ("en_US", "en-US"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("en-gb-scotland", "en-GB-scotland"),
        ("sl-rozaj-biske-1994", "sl-rozaj-biske-1994"),
        ("es-419", "es-419"),
        ("de-u-co-phonebk", "de-u-co-phonebk"),
        ("en-GB-x-RP-gb", "en-GB-x-rp-gb"),
        ("x-Whatever", "x-whatever"),
        ("", ""),
    ],
)
def test_a_language_is_written_canonically(given_tag: str, canonical: str) -> None:
    """A BCP 47 tag has one spelling in the store, however a service spells it."""
    assert fit_language(given_tag) == canonical


@pytest.mark.parametrize(
    "tag", ["h", "hindi language", "en-", "-en", "12", "en--US", "हिन्दी", "\n"]
)
def test_what_is_no_language_becomes_other(tag: str) -> None:
    """Free text in the language doesn't open a series of its own."""
    assert fit_language(tag) == "other"


@pytest.mark.parametrize("value", ["x" * 65, "a\nb", "a\0b", "\ud800", None, 3, ["x"], b"x"])
def test_what_is_no_short_printable_text_becomes_other(value: object) -> None:
    """A tag value that a store could choke on is replaced."""
    assert fit_tag(value) == "other"


def test_the_longest_tag_is_kept() -> None:
    """64 characters are still a tag."""
    assert fit_tag("x" * 64) == "x" * 64


def test_only_known_task_types_are_kept_apart() -> None:
    """An unknown task type is counted as `other`, a missing one as empty."""
    series = Series("e", "p", "v", "s", "asr", "HI")
    assert fit_series(series, TASK_TYPES) == Series("e", "p", "v", "s", "asr", "hi")
    assert fit_series(series._replace(task_type="chess"), TASK_TYPES).task_type == "other"
    assert fit_series(series._replace(task_type=""), TASK_TYPES).task_type == ""


@given(st.lists(st.text(), min_size=6, max_size=6))
def test_a_fitted_series_fits(values: list[str]) -> None:
    """Fitting twice is fitting once, and what comes out is short, printable and encodable."""
    fitted = fit_series(Series(*values), TASK_TYPES)
    assert fit_series(fitted, TASK_TYPES) == fitted
    assert all(len(value) <= 64 and value.isprintable() for value in fitted)
    assert "".join(fitted).encode().decode() == "".join(fitted)


def test_an_evaluation_is_fitted_too() -> None:
    """A flag key that can't be a tag is counted as `other`."""
    assert fit_evaluation(Evaluation("k" * 99, "", "SPLIT", "")) == ("other", "", "SPLIT", "")
