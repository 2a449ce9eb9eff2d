"""Folding outcomes, held against a slow direct computation."""

from __future__ import annotations

import math
from array import array
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.hooks import histogram, outcomes, schema
from openfeature_triton.hooks.clusters import bucket_of
from openfeature_triton.hooks.metrics import DEFAULT_UNITS
from openfeature_triton.hooks.outcomes import Outcome
from openfeature_triton.hooks.series import Series

ASR = Series("e", "p", "v", "v", "asr", "hi")
NER = ASR._replace(task_type="ner")

anything = st.one_of(
    st.floats(), st.integers(), st.text(max_size=3), st.none(), st.booleans(), st.just(10**400)
)
latencies = st.one_of(st.floats(0, 1e9), st.integers(0, 10**9), anything)
error_classes = st.one_of(st.just(""), st.sampled_from(schema.ERROR_CLASSES), anything)
names = st.sampled_from(["output_words", "word_accuracy", "entities", "bogus"])
carried = st.one_of(st.none(), st.dictionaries(names, st.one_of(st.floats(-1e6, 1e6), anything)))
users = st.one_of(st.none(), st.sampled_from(["anna", "bo", "\ud800", ""]))
batches = st.lists(
    st.tuples(
        st.sampled_from([ASR, NER]),
        st.lists(st.tuples(latencies, error_classes, carried, users), max_size=30),
    ),
    max_size=4,
)


def is_number(value: object, least: float, most: float) -> bool:
    """Say whether a value is a number within bounds; a bool is none."""
    return type(value) in (int, float) and least <= value <= most  # type: ignore[operator]


def directly(series: Series, given_outcomes: list[Outcome]) -> tuple[Counter[str], int, int]:
    """Add up one series outcome by outcome: fields, refused outcomes, refused metrics."""
    fields: Counter[str] = Counter()
    refused = refused_metrics = 0
    for latency, error, metrics, user in given_outcomes:
        if not is_number(latency, 0, histogram.MAX_LATENCY_MS):
            refused += 1
            continue
        ms = float(latency)  # type: ignore[arg-type]
        ln = math.log(max(ms, histogram.MIN_LATENCY_MS))
        fields["requests"] += 1
        fields["latency_ms_sum"] += ms  # type: ignore[assignment]
        fields["latency_ms_sumsq"] += ms**2  # type: ignore[assignment]
        fields["latency_ln_sum"] += ln  # type: ignore[assignment]
        fields["latency_ln_sumsq"] += ln**2  # type: ignore[assignment]
        fields[f"h{int(histogram.bin_of(ms))}"] += 1
        if error not in ("", None):
            fields["errors"] += 1
            fields[f"error_{error if error in schema.ERROR_CLASSES else 'other'}"] += 1
        if isinstance(user, str):
            count, errors, latency_ms = schema.cluster_fields(bucket_of(user))
            fields[count] += 1
            fields[errors] += int(error not in ("", None))
            fields[latency_ms] += ms  # type: ignore[assignment]
        for name, value in (metrics or {}).items():
            if name not in DEFAULT_UNITS[series.task_type] or not is_number(value, -1e100, 1e100):
                refused_metrics += 1
                continue
            for part, power in (("n", 0), ("sum", 1), ("sumsq", 2)):
                fields[f"m_{name}_{part}"] += float(value) ** power  # type: ignore[arg-type,assignment]
            if isinstance(user, str):
                count, total = schema.cluster_metric_fields(bucket_of(user), name)
                fields[count] += 1
                fields[total] += float(value)  # type: ignore[arg-type,assignment]
    return fields, refused, refused_metrics


@given(batches)
def test_folding_equals_adding_up_one_by_one(
    given_batches: list[tuple[Series, list[Outcome]]],
) -> None:
    """Whatever callers hand over, the vectorised sums are those of a plain loop."""
    folded = outcomes.fold(given_batches, DEFAULT_UNITS)
    expected = [directly(series, waiting) for series, waiting in given_batches]
    for light, latency, by_user, (fields, _, _) in zip(
        folded.light, folded.latency, folded.clusters, expected, strict=True
    ):
        assert light | latency | by_user == pytest.approx(dict(fields), rel=1e-9, abs=1e-9)
        assert all(field.startswith("h") for field in latency)
    assert folded.refused.total() == sum(refused for _, refused, _ in expected)
    assert folded.refused_metrics.total() == sum(refused for _, _, refused in expected)


@given(st.lists(st.tuples(st.sampled_from([ASR, NER]), st.lists(st.floats())), max_size=4))
def test_bare_latencies_fold_as_successes(given_batches: list[tuple[Series, list[float]]]) -> None:
    """A success of which nothing else is told counts as one that came as an outcome."""
    folded = outcomes.fold_successes([(key, array("d", ms)) for key, ms in given_batches])
    told: list[tuple[Series, list[Outcome]]] = [
        (key, [(each, "", None, None) for each in ms]) for key, ms in given_batches
    ]
    assert folded == outcomes.fold(told, DEFAULT_UNITS)


def test_very_many_fold_as_a_few_at_a_time_do() -> None:
    """Whether numpy counts the bins or Python, and whichever series stand beside each other."""
    ms = np.random.default_rng(3).lognormal(3, 2, 3 * outcomes.AT_ONCE)
    ms[::50] = -1.0
    given_batches = [(ASR, array("d", ms)), (NER, array("d")), (NER, array("d", ms[:700]))]
    folded = outcomes.fold_successes(given_batches)
    for number, (series, latencies) in enumerate(given_batches):
        added: Counter[str] = Counter()
        for start in range(0, len(latencies), outcomes.AT_ONCE):
            part = latencies[start : start + outcomes.AT_ONCE]
            few = outcomes.fold_successes([(series, part)])
            added.update(few.light[0] | few.latency[0])
        assert folded.light[number] | folded.latency[number] == pytest.approx(dict(added))
    assert folded.refused == {outcomes.BAD_LATENCY: 30 + 14}


def test_sums_of_many_latencies_are_exact() -> None:
    """A slice of 4,096 ordinary latencies adds up to the last digit that matters."""
    given_ms = np.random.default_rng(7).lognormal(3, 1, 4096)
    folded = outcomes.fold(
        [(ASR, [(ms, "", None, None) for ms in given_ms.tolist()])], DEFAULT_UNITS
    )
    assert folded.light[0]["latency_ms_sum"] == pytest.approx(math.fsum(given_ms), rel=1e-12)
    assert sum(folded.latency[0].values()) == 4096


def test_nothing_folds_to_nothing() -> None:
    """A series without outcomes gets no field at all, so that no empty point is written."""
    folded = outcomes.fold([(ASR, [])], DEFAULT_UNITS)
    assert (folded.light, folded.latency) == ([{}], [{}])
