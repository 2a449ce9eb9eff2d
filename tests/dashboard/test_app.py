from __future__ import annotations

import pytest

from openfeature_triton.dashboard.formats import ago, decimals, effect_size, number
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.reading import Page

PATHS = ("/", "/experiments/e", "/experiments/none", "/api/experiments", "/static/style.css")


@pytest.mark.parametrize("path", PATHS)
def test_each_answer_forbids_what_no_page_needs(world: World, path: str) -> None:
    """Pages, errors, JSON and files: nothing inline, nothing foreign, no frame, no guessing."""
    world.record("e", [Outcome("old", 1.0)])
    headers = world.client().get(path, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(world: World) -> None:
    """What the policy would refuse is not there: no style, no handler, no other host."""
    world.record("e", [Outcome("old", 1.0)])
    for tag, given in Page(world.client().get("/experiments/e").text).tags:
        assert tag != "style"
        assert "style" not in given
        assert not [name for name in given if name.startswith("on")]
        for name in ("src", "href"):
            assert given.get(name, "/").startswith(("/", "#"))
        if tag == "script":
            assert "src" in given or given["type"] == "application/json"


def test_files_are_cached_for_ever_by_their_hash_and_pages_never(world: World) -> None:
    """Each script and style of a page, Plotly among them, comes from a URL of its content."""
    world.record("e", [Outcome("old", 1.0)])
    client = world.client()
    response = client.get("/experiments/e")
    assert response.headers["Cache-Control"] == "no-store"
    tags = Page(response.text).tags
    files = [g["src"] for t, g in tags if t == "script" and "src" in g]
    files += [g["href"] for t, g in tags if t == "link"]
    assert len(files) == 6
    assert any(file.startswith("/plotly/") for file in files)
    for file in files:
        answer = client.get(file, buffered=True)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    bare = client.get("/static/style.css", buffered=True)
    assert "immutable" not in bare.headers["Cache-Control"]


def test_a_page_is_small_without_plotly(world: World) -> None:
    """At most 250 kB with its own style and script."""
    world.record("e", [Outcome("old", float(ms)) for ms in range(1, 1000)])
    client = world.client()
    response = client.get("/experiments/e")
    files = [g.get("src") or g.get("href", "") for t, g in Page(response.text).tags if t != "a"]
    sizes = [
        len(client.get(file, buffered=True).data) for file in files if file.startswith("/static/")
    ]
    assert len(response.data) + sum(sizes) < 250_000


def test_only_the_names_of_loopback_are_answered(empty_store: World) -> None:
    """A foreign name that points here (DNS rebinding) gets nothing to read."""
    client = empty_store.client()
    for host in ("127.0.0.1:8080", "127.0.0.2", "localhost", "[::1]:8080"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:8080", "192.0.2.1", "["):
        response = client.get("/", headers={"Host": host})
        assert response.status_code == 400
        assert "Nothing was recorded" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_no_page_can_be_written_to(empty_store: World, method: str) -> None:
    """The dashboard only reads."""
    for path in ("/", "/experiments/e", "/api/experiments/e"):
        assert empty_store.client().open(path, method=method).status_code == 405


def test_numbers_have_three_digits_where_they_differ() -> None:
    """As many decimals as the smallest number needs, at most three, and none for large ones."""
    assert [decimals([value]) for value in (1234.5, 123.4, 12.3, 1.2, 0.5, 0.001)] == [
        *(0, 0, 1, 2, 3, 3)
    ]
    assert decimals([None, 0.0, 250.0, 31.0]) == 1
    assert decimals([]) == 0
    assert number(1234.56, 1) == "1,234.6"
    assert number(None, 2) == "–"


@pytest.mark.parametrize(
    ("value", "metric", "shown"),
    [
        (0.01, "success_rate", "1 point"),
        (0.025, "error_rate", "2.5 points"),
        (0.05, "latency", "5\u00a0%"),
        (0.002, "bleu_score", "0.002"),
        ("<b>", "success_rate", "<b>"),
        (True, "success_rate", "yes"),
        (0.01, 7, "0.01"),
    ],
)
def test_a_minimum_effect_has_its_metrics_unit(value: object, metric: object, shown: str) -> None:
    """Rates are compared in points, latencies in percent; what is no number stays as written."""
    assert effect_size(value, metric) == shown


def test_a_time_is_told_in_the_largest_unit_that_fits() -> None:
    """Days, hours, minutes, or seconds, rounded down."""
    from datetime import timedelta

    lengths = [timedelta(days=2, hours=23), timedelta(minutes=61), timedelta(seconds=60)]
    told = [ago(NOW - each, NOW) for each in (*lengths, timedelta(seconds=59))]
    assert told == ["2\u00a0d ago", "1\u00a0h ago", "1\u00a0min ago", "59\u00a0s ago"]
