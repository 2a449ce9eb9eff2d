"""Language: tags in canonical letters, and an operator's `hi` takes `hi-IN`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.provider import Experiments, RouteReason
from openfeature_triton.provider.language import read_language
from openfeature_triton.provider.request import context_of, kind_of
from tests.provider.test_experiments import OWN, connect, events, write_flags

__all__ = ["connect", "events"]  # fixtures
SPLIT = {"fractional": [["control", 50], ["treatment", 50]]}


@pytest.mark.parametrize(
    ("text", "tag", "primary"),
    [
        ("hi", "hi", "hi"),
        ("HI_in", "hi-IN", "hi"),
        ("zh-hant-tw", "zh-Hant-TW", "zh"),
        ("iw-IL", "he-IL", "he"),
        ("sl-ROZAJ-biske", "sl-rozaj-biske", "sl"),
        ("en-us-u-CO-phonebk", "en-US-u-co-phonebk", "en"),
        ("es-419", "es-419", "es"),
        ("", "", ""),
        ("any language!", "any language!", ""),
        ("x", "x", ""),
    ],
)
def test_tags_are_read(text: str, tag: str, primary: str) -> None:
    """Letters as RFC 5646 writes them; what is no tag stays as it is."""
    assert read_language(text) == (tag, primary)


@given(st.text(max_size=80))
def test_reading_is_idempotent(text: str) -> None:
    """Whatever a service sends."""
    once = read_language(text)
    assert read_language(once.tag) == once


def test_targeting_sees_tag_and_primary_subtag() -> None:
    """Beside what the service says, whose own mapping is left alone."""
    attributes: Any = {"more": 1, "language": "overridden"}
    kind = kind_of("asr", "hi_in", OWN)
    seen = context_of(api.get_client(), kind, "r", attributes)
    assert seen.targeting_key == "r"
    assert seen.attributes == {
        "task_type": "asr",
        "language": "hi-IN",
        "language_primary": "hi",
        "more": 1,
    }
    assert attributes == {"more": 1, "language": "overridden"}


def targeting(condition: dict[str, Any]) -> dict[str, Any]:
    """A flag that splits those who meet a condition."""
    return {"targeting": {"if": [condition, SPLIT]}}


NAMES_HI = targeting({"in": [{"var": "language"}, ["hi", "ta"]]})


def test_an_operators_hi_takes_all_of_hindi(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """With the variant that plain `hi` gets, through `route` and through the plain SDK."""
    experiments = connect(write_flags(tmp_path / "flags.json", one=NAMES_HI))
    client = api.get_client()
    for number in range(50):
        asked: Any = {"targeting_key": f"r{number}", "service_id": OWN}
        route = experiments.route("asr", language="HI_in", **asked)
        assert route.is_experiment
        assert route.language == "hi-IN"
        assert route.variant == experiments.route("asr", language="hi", **asked).variant
        context = EvaluationContext(f"r{number}", {"language": "hi-IN"})
        assert client.get_object_details("one", {}, context).variant == route.variant
        in_asyncio = asyncio.run(client.get_string_details_async("one", "", context))
        assert in_asyncio.value == route.service_id


def test_other_languages_still_do_not_match(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """`hil` is not `hi`, and free text is no language."""
    experiments = connect(write_flags(tmp_path / "flags.json", one=NAMES_HI))
    for language in ("hil", "en-IN", "any hi", ""):
        route = experiments.route("asr", language=language, targeting_key="r", service_id=OWN)
        assert route.reason is RouteReason.NO_MATCH


def test_what_is_too_long_for_a_tag_is_not_kept(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """A language comes from outside, and the way of each is remembered."""
    experiments = connect(write_flags(tmp_path / "flags.json", one=NAMES_HI))
    route = experiments.route("asr", language="hi " * 10_000, targeting_key="r", service_id=OWN)
    assert route.reason is RouteReason.NO_MATCH
    assert len(route.language) <= 100


def test_an_operator_may_name_the_region_or_the_primary_subtag(
    connect: Callable[..., Experiments], tmp_path: Path
) -> None:
    """`language` has the tag, `language_primary` its first subtag, in the plain SDK too."""
    flags = write_flags(
        tmp_path / "flags.json",
        region=targeting({"==": [{"var": "language"}, "hi-IN"]}),
        primary=targeting({"==": [{"var": "language_primary"}, "ta"]}),
    )
    experiments = connect(flags)

    def experiment_of(language: str) -> str:
        asked: Any = {"targeting_key": "r", "service_id": OWN}
        return experiments.route("asr", language=language, **asked).experiment

    assert experiment_of("hi-IN") == "region"
    assert experiment_of("hi") == experiment_of("hi-FJ") == ""
    assert experiment_of("ta-LK") == experiment_of("ta") == "primary"
    context = EvaluationContext("r", {"language": "ta-LK"})
    assert api.get_client().get_object_details("primary", {}, context).variant
