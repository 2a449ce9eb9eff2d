"""Evaluation against its references: flagd-core 2 for v3, flagd-core 1.0 for v2."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from openfeature_triton.flagd_config import parse_document
from openfeature_triton.flagd_config.dates import Dates, condition_of
from openfeature_triton.provider.evaluator import Evaluator
from tests.provider.evaluations import KEY, contexts, evaluate
from tests.provider.flag_strategies import EVALUATORS, V2_FLAGS, V3_FLAGS
from tests.provider.references import Reference, core_1, running

FLAGS = int(os.environ.get("OFT_TEST_FLAGS", "60"))
CONTEXTS = int(os.environ.get("OFT_TEST_CONTEXTS", "100000"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),  # of a strategy
]
# Few flags in many contexts, and many flags in few.
sizes = pytest.mark.parametrize(("flags", "count"), [(FLAGS, CONTEXTS), (20 * FLAGS, 250)])


def _generated(flags: int) -> settings:
    return settings(
        max_examples=flags,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@sizes
def test_v3_gives_what_its_reference_gives(flags: int, count: int) -> None:
    """Each generated flag gives each context flagd-core 2's value, variant, reason, error."""
    with running(sys.executable, count) as reference:
        asked = contexts(count)
        _generated(flags)(
            given(flag=V3_FLAGS)(lambda flag: _compare(reference, asked, flag, "v3"))
        )()


@sizes
def test_v2_gives_what_its_reference_gives(flags: int, count: int) -> None:
    """The same for flagd-core 1.0, with flags of which flagd itself makes what that makes."""
    with running(core_1(), count) as reference:
        asked = contexts(count)
        _generated(flags)(
            given(flag=V2_FLAGS)(lambda flag: _compare(reference, asked, flag, "v2"))
        )()


NOW = int(time.time())
DAY_S = 86_400
# fmt: off
DATED = [
    (Dates(NOW - DAY_S, NOW + DAY_S), True), (Dates(end=NOW + DAY_S), True),
    (Dates(start=NOW - DAY_S), True), (Dates(start=NOW + DAY_S), False),
    (Dates(end=NOW - DAY_S), False), (Dates(NOW + DAY_S, NOW + 2 * DAY_S), False),
]
# fmt: on


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_dates_are_obeyed_by_each_reference(bucketing: str) -> None:
    """Between its dates a split is done, and at no other time, by flagd-core 1.0 and 2 and us."""
    python = core_1() if bucketing == "v2" else sys.executable
    split: Any = {"fractional": [["on", 50], ["off", 50]]}
    with running(python, 100) as reference:
        asked = contexts(100)
        for dates, holds in DATED:
            flag = {
                "state": "ENABLED",
                "variants": {"on": {"service": "a"}, "off": {"service": "b"}},
                "targeting": {"if": [condition_of(dates), split]},
            }
            _compare(reference, asked, flag, bucketing)
            read = parse_document(
                json.dumps({"flags": {KEY: flag}}), source="dated", bucketing=bucketing
            )
            seen = {found[1] for found in evaluate(Evaluator(read).resolve, asked)}
            assert ("on" in seen) == holds


def _compare(reference: Reference, asked: list[Any], flag: dict[str, Any], bucketing: str) -> None:
    document = {"flags": {KEY: flag}, "$evaluators": EVALUATORS, "metadata": {"set": 1, "n": 0}}
    reference.ask(document)
    read = parse_document(json.dumps(document), source="generated", bucketing=bucketing)
    mine = evaluate(Evaluator(read).resolve, asked)
    different = [
        (context, ours, its)
        for context, ours, its in zip(asked, mine, reference.answer(), strict=True)
        if ours != its
    ]
    assert not different, (flag, different[:3])
