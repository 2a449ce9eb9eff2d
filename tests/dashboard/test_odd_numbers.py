"""Numbers that no recorder writes, or that are at an edge: each page says something sensible."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import pytest

from openfeature_triton.hooks import Point, SqlSink
from openfeature_triton.hooks.schema import (
    CLUSTER_TAGS,
    SERIES_TAGS,
    cluster_fields,
    cluster_metric_fields,
)
from tests.dashboard.conftest import NOW, World
from tests.dashboard.reading import Page
from tests.dashboard.test_verdict_pages import _write

PAGES = ("/", "/experiments/e", "/experiments/e?start=2026-11-24")
JSON = ("/api/experiments", "/api/experiments/e", "/api/experiments/e/metrics")
OTHERS = ("/reports/e", "/api/experiments/e/metrics.csv", "/metrics")
NO_NUMBER = re.compile(r"\b(nan|-?inf|infinity|none)\b|\de[+-]\d", re.IGNORECASE)
GUARDRAILS = "error_rate:10%, latency_p95:20%, latency:10%, word_accuracy:5%, success_rate:5%"
METRICS = ("success_rate", "error_rate", "latency", "latency_p95", "word_accuracy")
COUNTS = ((0, 0), (1, 0), (1, 1), (2, 2), (1000, 0), (1000, 1000), (1000, 50), (10**9, 5))


def put(
    world: World, measurement: str, phase: str, variant: str, fields: Mapping[str, float]
) -> None:
    """Write two hours of one variant, whatever the fields hold."""
    served = (("experiment", "e"), ("phase", phase), ("variant", variant), ("served", variant))
    every = dict(served) | {"task_type": "asr", "language": "hi"}
    names = CLUSTER_TAGS if measurement == "inference_clusters" else SERIES_TAGS
    tags = tuple((name, every[name]) for name in names)
    sink = SqlSink(world.url)
    for hours_ago in (2, 1):
        time_ns = (int(NOW.timestamp()) // 3600 - hours_ago) * 3600 * 10**9 + 17
        sink.write([Point(measurement, tags, time_ns, dict(fields))])
    sink.close()


def light(requests: float, errors: float) -> dict[str, float]:
    """The sums of requests that all took 4 ms, with the accuracy 1."""
    fields = {"exposures": requests, "requests": requests, "errors": errors}
    fields |= {"latency_ms_sum": 4 * requests, "latency_ms_sumsq": 16 * requests}
    fields |= {"latency_ln_sum": 1.4 * requests, "latency_ln_sumsq": 1.96 * requests}
    return fields | {f"m_word_accuracy_{part}": requests for part in ("n", "sum", "sumsq")}


def clusters(requests: int, errors: int) -> dict[str, float]:
    """The same, dealt out evenly among the buckets of users."""
    found: dict[str, float] = {}
    for bucket in range(min(128, requests)):
        n = float(max(1, requests // 128))
        found |= dict(zip(cluster_fields(bucket), (n, float(errors // 128), 4 * n), strict=True))
        found |= dict(zip(cluster_metric_fields(bucket, "word_accuracy"), (n, n), strict=True))
    return found


def look(world: World) -> None:
    """Hold that each page is there, and says nothing that is no number."""
    client = world.client()
    for path in (*PAGES, *JSON, *OTHERS):
        response = client.get(path)
        assert response.status_code == 200, path
        if path in PAGES:
            page = Page(response.text)
            cells = [cell for table in page.tables for row in table for cell in row]
            assert not NO_NUMBER.search(" ".join([page.text, *cells])), path
        if path in (*PAGES, *JSON):
            assert not re.search(r"\bNaN|Infinity", response.text), path


@pytest.mark.parametrize("unit", ["request", "user"])
@pytest.mark.parametrize("metric", METRICS)
def test_counts_at_every_edge_have_a_page(world: World, unit: str, metric: str) -> None:
    """None, one, all or none failed, a variance of 0, a thousand million against one."""
    plan = {"unit": unit, "primary_metric": metric, "guardrails": GUARDRAILS}
    phase = _write(world, {"old": 50, "new": 50}, minimum_effect=0.01, **plan)
    for arms in itertools.islice(itertools.product(COUNTS, repeat=2), 0, None, 19):
        (world.folder / "store.db").unlink(missing_ok=True)
        for variant, (requests, errors) in zip(("old", "new"), arms, strict=True):
            put(world, "inference_light", phase, variant, light(requests, errors))
            if requests:
                put(world, "inference_latency", phase, variant, {"h500": float(requests)})
            if requests and unit == "user":
                put(world, "inference_clusters", phase, variant, clusters(requests, errors))
        look(world)


@pytest.mark.parametrize("value", [float("inf"), 1e308, -5.0, 5e-324])
def test_a_sum_that_is_no_sum_costs_itself_alone(world: World, value: float) -> None:
    """Whichever field of one variant holds it, all pages stay, the list of all experiments too."""
    plan = {"unit": "user", "guardrails": GUARDRAILS}
    phase = _write(world, {"old": 50, "new": 50}, minimum_effect=0.01, **plan)
    parts = {
        "inference_light": light(1000, 100),
        "inference_latency": {"h500": 900.0, "h600": 100.0},
        "inference_clusters": clusters(1280, 128),
    }
    sums = ("requests", "errors", "latency_ms_sum", "latency_ln_sum", "m_word_accuracy_n")
    for field in (*sums, "h500", "b3_n"):
        (world.folder / "store.db").unlink(missing_ok=True)
        for measurement, fields in parts.items():
            put(world, measurement, phase, "old", fields)
            changed = {name: value if name == field else held for name, held in fields.items()}
            put(world, measurement, phase, "new", changed)
        look(world)


def test_a_variant_that_goes_and_weights_of_0_have_a_page(world: World) -> None:
    """A later phase without the variant, and one that sends it nobody: what it had stays."""
    old = _write(world, {"old": 50, "new": 50, "third": 50})
    put(world, "inference_light", old, "old", light(900, 90))
    put(world, "inference_light", old, "third", light(900, 9))
    now = _write(world, {"old": 100, "new": 0})
    for variant in ("old", "new"):
        put(world, "inference_light", now, variant, light(500, 50))
    look(world)
    client = world.client()
    assert "third" in Page(client.get("/experiments/e").text).row("Metric")
    for phase in (old, now):
        assert client.get(f"/experiments/e?phase={phase}").status_code == 200
    text = client.get("/experiments/e").text
    assert "got 50.0\u00a0% of 2,000 exposures and should have got" in text


HOSTILE = (
    "%00",
    "%ff",
    "%F0%9F%98%80",
    "../..",
    "' OR 1=1 --",
    "<script>",
    "a" * 5000,
    "-1",
    "nan",
)


@pytest.mark.parametrize("name", ["phase", "start", "end", "by", "variant", "task", "state", "x"])
def test_hostile_queries_are_answered(world: World, name: str) -> None:
    """With a page, or with which value is wrong: never with an error of ours."""
    phase = _write(world, {"old": 50, "new": 50})
    put(world, "inference_light", phase, "old", light(100, 5))
    client = world.client()
    paths = (*PAGES[:2], *JSON, *OTHERS, "/pipeline", "/api/pipeline")
    for path, value in itertools.product(paths, HOSTILE):
        response = client.get(f"{path}?{name}={value}")
        assert response.status_code in (200, 400, 404), (path, value)
        assert "<script>alert" not in response.text
