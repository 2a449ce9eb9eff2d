"""Experiments with dates, asked for by task type."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from openfeature_triton.flagd_config import example, parse_document
from openfeature_triton.flagd_config.dates import Dates, condition_of
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.evaluator import Evaluator

NOW = int(time.time())
DAY_S = 86_400


def _evaluator(rule: Any) -> Evaluator:
    document = json.loads(example("nmt").read_text())
    (flag,) = document["flags"].values()
    flag["targeting"] = rule(flag["targeting"])
    return Evaluator(parse_document(json.dumps(document), source="f"))


def _taken(evaluator: Evaluator, language: str = "hi") -> list[str | None]:
    way = evaluator.catalogue.way("nmt", language)
    found = (way({}, f"key-{number}") for number in range(50))
    return [each.variant if isinstance(each, Assignment) else None for each in found]


@pytest.mark.parametrize(
    ("dates", "holds"),
    [
        (Dates(NOW - DAY_S, NOW + DAY_S), True),
        (Dates(end=NOW - DAY_S), False),
        (Dates(start=NOW + DAY_S), False),
    ],
)
def test_between_its_dates_alone_it_takes_requests(dates: Dates, holds: bool) -> None:
    """The same variants as without dates, or none."""
    plain = _taken(_evaluator(lambda rule: rule))
    wrapped = _evaluator(lambda rule: {"if": [condition_of(dates), rule]})
    by_hand = _evaluator(
        lambda rule: {"if": [{"and": [condition_of(dates), rule["if"][0]]}, rule["if"][1]]}
    )
    for evaluator in (wrapped, by_hand):
        assert _taken(evaluator) == (plain if holds else [None] * 50)
        assert _taken(evaluator, "de") == [None] * 50


def test_dates_hide_no_guards() -> None:
    """A request in another language is not offered to an experiment because it has an end."""
    evaluator = _evaluator(lambda rule: {"if": [condition_of(Dates(end=NOW + DAY_S)), rule]})
    (candidate,) = evaluator.catalogue.candidates.values()
    assert candidate.guarded.allowed["language"] == {"hi", "ta"}
