"""Evaluation in v3 against its reference, `openfeature-flagd-core` 2, in this process."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from openfeature_triton.flagd_config import parse_document
from openfeature_triton.provider.evaluator import Evaluator
from tests.provider.evaluations import KEY, contexts, evaluate, reference
from tests.provider.flag_strategies import EVALUATORS, V3_FLAGS

FLAGS = int(os.environ.get("OFT_TEST_FLAGS", "60"))
CONTEXTS = int(os.environ.get("OFT_TEST_CONTEXTS", "100000"))
ASKED = contexts(CONTEXTS)


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The reference logs an error for each request without a targeting key."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategy, not a flag
@settings(
    max_examples=FLAGS,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(flag=V3_FLAGS)
def test_v3_gives_what_its_reference_gives(flag: dict[str, Any]) -> None:
    """Each generated flag gives each context the reference's value, variant, reason, error."""
    document = {"flags": {KEY: flag}, "$evaluators": EVALUATORS, "metadata": {"set": 1, "n": 0}}
    ours = Evaluator(parse_document(json.dumps(document), source="generated")).resolve
    for context, mine, its in zip(
        ASKED, evaluate(ours, ASKED), evaluate(reference(document), ASKED), strict=True
    ):
        assert mine == its, context
