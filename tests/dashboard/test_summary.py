from __future__ import annotations

import math
import random

import pytest

from openfeature_triton.dashboard import SqlStore, summary
from openfeature_triton.dashboard.store import LATENCIES, counts_and_latencies
from openfeature_triton.hooks.histogram import RELATIVE_ERROR
from tests.dashboard.conftest import Outcome, World
from tests.dashboard.stores import one


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Some hundreds of requests of one variant, in two languages, a few of them failed."""
    chance = random.Random(7)  # noqa: S311 - a fixed sequence, no secret
    return [
        Outcome(
            "new",
            latency_ms=chance.lognormvariate(4, 1),
            error_class=chance.choice(["", "", "", "", "timeout", "server_error"]),
            language=chance.choice(["hi-IN", "ta-IN"]),
            metrics={"word_accuracy": chance.random()} if chance.random() < 0.7 else {},
        )
        for _ in range(601)
    ]


def test_numbers_are_those_of_the_raw_requests(world: World, outcomes: list[Outcome]) -> None:
    """Counts are exact, means to rounding, quantiles within the histogram's promise."""
    world.record("e", outcomes)
    found = summary.numbers(counts_and_latencies(SqlStore(world.url), "e"))
    failed = [each.error_class for each in outcomes if each.error_class]
    latencies = sorted(each.latency_ms for each in outcomes)
    accuracies = [each.metrics["word_accuracy"] for each in outcomes if each.metrics]
    assert (found.exposures, found.requests, found.errors) == (601, 601, len(failed))
    assert found.error_rate == len(failed) / 601
    assert found.errors_by_class == {name: failed.count(name) for name in set(failed)}
    assert found.mean_ms == pytest.approx(sum(latencies) / 601, rel=1e-9)
    for quantile_ms, p in ((found.p50_ms, 0.5), (found.p95_ms, 0.95), (found.p99_ms, 0.99)):
        exact_ms = latencies[math.ceil(p * 601) - 1]
        assert quantile_ms == pytest.approx(exact_ms, rel=RELATIVE_ERROR + 1e-9)
    accuracy = found.metrics["word_accuracy"]
    assert accuracy.count == len(accuracies)
    assert accuracy.mean == pytest.approx(sum(accuracies) / len(accuracies), rel=1e-9)


def test_nothing_recorded_is_none_and_not_zero() -> None:
    """A rate or a latency of no requests is no number."""
    found = summary.numbers([])
    assert (found.requests, found.error_rate, found.mean_ms, found.p99_ms) == (0, None, None, None)
    assert found.metrics == {}
    assert summary.latencies([]).curve() == ([], [])


def test_a_latency_curve_rises_to_all_requests(world: World, outcomes: list[Outcome]) -> None:
    """At each latency the curve says the share of requests that took no longer."""
    world.record("e", outcomes)
    latencies_ms, shares = summary.latencies(one(SqlStore(world.url), LATENCIES, "e")).curve()
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    for latency_ms, share in zip(latencies_ms, shares, strict=True):
        exact = sum(each.latency_ms <= latency_ms * (1 + 1e-9) for each in outcomes) / 601
        assert share == pytest.approx(exact, abs=1e-9)


def test_a_split_holds_shares_against_weights() -> None:
    """Weights of any scale become shares; a variant without a weight or a count is shown too."""
    shares = summary.split({"new": 30, "lost": 10}, {"old": 3, "new": 1})
    assert [(s.variant, s.count, s.share, s.weight) for s in shares] == [
        ("old", 0, 0.0, 0.75),
        ("new", 30, 0.75, 0.25),
        ("lost", 10, 0.25, 0.0),
    ]
    assert [(s.share, s.weight) for s in summary.split({}, {"old": 1})] == [(None, 1.0)]
    assert [(s.share, s.weight) for s in summary.split({"old": 2}, {})] == [(1.0, None)]
