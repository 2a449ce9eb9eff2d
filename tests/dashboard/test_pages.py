from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from openfeature_triton.flagd_config.dates import Dates
from openfeature_triton.flagd_config.life_cycle import conclude, schedule
from openfeature_triton.hooks.histogram import bin_of, middle_ms
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.reading import Page

HOSTILE = (
    "<script>alert(1)</script>",
    'a"b',
    "it's",
    "a/b//c/",
    "/",
    "x?phase=1#y",
    "50%",
    "a b&c",
)


def _quantile_ms(latencies_ms: Iterable[float], p: float) -> float:
    """The ⌈p·n⌉-th smallest, as the histogram remembers it."""
    ordered = sorted(latencies_ms)
    return float(middle_ms(bin_of(ordered[-int(-p * len(ordered) // 1) - 1])))


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Requests of two variants whose latencies are around 50 and 30 ms."""
    chance = random.Random(3)  # noqa: S311 - a fixed sequence, no secret
    return [
        Outcome(
            variant,
            latency_ms=chance.uniform(40, 60) if variant == "old" else chance.uniform(20, 40),
            error_class="timeout" if chance.random() < 0.05 else "",
            language=chance.choice(["hi-IN", "ta-IN"]),
            metrics={"word_accuracy": chance.uniform(0.8, 1.0)},
        )
        for variant in chance.choices(["old", "new"], [90, 10], k=1400)
    ]


def _page(response: TestResponse) -> Page:
    assert response.status_code == 200
    return Page(response.text)


def test_a_page_shows_the_raw_requests_numbers_to_the_digit(
    world: World, outcomes: list[Outcome]
) -> None:
    """Each number in the table of variants is what the requests themselves give."""
    world.write_flags(e="ENABLED")
    world.record("e", outcomes)
    page = _page(world.client().get("/experiments/e"))
    arms = [[o for o in outcomes if o.variant == variant] for variant in ("old", "new")]
    errors = [sum(bool(o.error_class) for o in arm) for arm in arms]
    latencies = [[o.latency_ms for o in arm] for arm in arms]
    accuracies = [[o.metrics["word_accuracy"] for o in arm] for arm in arms]
    counts = [f"{len(arm):,}" for arm in arms]
    assert page.row("Metric")[1:] == ["old", "new"]
    assert page.row("Exposures")[1:] == page.row("Requests")[1:] == counts
    assert page.row("Errors")[1:] == page.row("Timeout")[1:] == [str(e) for e in errors]
    assert page.row("Error rate")[1:] == [
        f"{100 * failed / len(arm):.2f} %" for failed, arm in zip(errors, arms, strict=True)
    ]
    assert page.row("Mean latency ms")[1:] == [f"{sum(ms) / len(ms):.1f}" for ms in latencies]
    for name, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        wanted = [f"{_quantile_ms(ms, p):.1f}" for ms in latencies]
        assert page.row(f"{name} latency ms")[1:] == wanted
    means = [f"{sum(values) / len(values):.3f}" for values in accuracies]
    assert page.row("Word accuracy, mean")[1:] == means


@pytest.mark.usefixtures("empty_store")
def test_a_split_stands_against_the_flag_files_weights(
    world: World, outcomes: list[Outcome]
) -> None:
    """Of the phase that the flag file has now, the control first."""
    world.write_flags(e="ENABLED")
    [empty] = world.client().get("/api/experiments").get_json()["experiments"]
    world.record("e", outcomes, phase=empty["definition"]["phase"])
    page = _page(world.client().get("/experiments/e"))
    old = sum(o.variant == "old" for o in outcomes)
    shares = [f"{100 * old / 1400:.2f} %", f"{100 - 100 * old / 1400:.2f} %"]
    [_, *rows] = page.table("Variant")
    assert [row[:4] for row in rows] == [
        ["old control asr-old", f"{old:,}", shares[0], "90.00 %"],
        ["new asr-new", f"{1400 - old:,}", shares[1], "10.00 %"],
    ]


def test_languages_and_days_each_have_their_own_numbers(world: World) -> None:
    """A request counts in its language, and on the day of UTC in which it came."""
    world.record("e", [Outcome("old", 10.0), Outcome("old", 30.0, "timeout", "ta-IN")])
    world.record("e", [Outcome("old", 80.0)], days_ago=2)
    page = _page(world.client().get("/experiments/e"))
    assert page.row("hi-IN")[1:6] == ["old", "2", "0", "0.00 %", "45.0"]
    assert page.row("ta-IN")[1:6] == ["old", "1", "1", "100.00 %", "30.0"]
    assert page.row("2026-11-22")[1:6] == ["old", "1", "0", "0.00 %", "80.0"]
    assert page.row("2026-11-24")[1:6] == ["old", "2", "1", "50.00 %", "20.0"]


def test_a_page_can_be_narrowed_to_a_phase(world: World) -> None:
    """All phases together come with a warning; one alone has its own split and numbers."""
    world.record("e", [Outcome("old", 10.0)] * 3, weights={"old": 90, "new": 10}, days_ago=1)
    later = [Outcome("old", 10.0), Outcome("new", 20.0)]
    world.record("e", later, phase="bbbb2222", weights={"old": 50, "new": 50})
    client = world.client()
    whole = _page(client.get("/experiments/e"))
    assert "2 phases together" in whole.text
    assert whole.row("Requests")[1:] == ["4", "1"]
    assert [row[0] for row in whole.tables[-1][1:]] == ["bbbb2222 current", "aaaa1111"]
    first = _page(client.get("/experiments/e?phase=aaaa1111"))
    assert first.row("Requests")[1:] == ["3"]
    assert first.table("Variant")[1][1:4] == ["3", "100.00 %", "90.00 %"]
    assert client.get("/api/experiments/e?phase=bbbb2222").get_json()["whole"]["requests"] == 2
    assert client.get("/experiments/e?phase=none").status_code == 404


def test_json_holds_the_numbers_of_the_page(world: World, outcomes: list[Outcome]) -> None:
    """The twin of each page has the same counts, unrounded, and times in ISO 8601."""
    world.write_flags(e="ENABLED")
    world.record("e", outcomes, days_ago=1)
    client = world.client()
    found = client.get("/api/experiments/e").get_json()
    [line] = client.get("/api/experiments").get_json()["experiments"]
    new = [o for o in outcomes if o.variant == "new"]
    assert list(found["variants"]) == ["old", "new"]
    assert found["variants"]["new"]["requests"] == len(new)
    assert found["variants"]["new"]["mean_ms"] == pytest.approx(
        sum(o.latency_ms for o in new) / len(new), rel=1e-9
    )
    assert found["line"] == line | {"verdict": None}
    assert found["analysis"]["verdict"] == line["verdict"]
    assert line["requests"] == 1400
    assert line["definition"]["status"] == "running"
    assert line["last_seen"].startswith("2026-11-23T")
    assert [each["name"] for each in found["days"]] == ["2026-11-23"]


def test_the_list_has_the_flag_files_experiments_and_the_stores(world: World) -> None:
    """Each with its status: running, disabled, no longer in the file; last seen first."""
    world.write_flags(on="ENABLED", off="DISABLED")
    world.record("gone", [Outcome("old", 1.0)], weights={"old": 1}, days_ago=3)
    world.record("on", [Outcome("old", 1.0, "timeout"), Outcome("new", 1.0)])
    page = _page(world.client().get("/"))
    rows = [(row[0].split()[0], row[1], *row[4:6]) for row in page.tables[0][1:]]
    assert rows == [
        ("on", "Running", "2", "50.00 %"),
        ("gone", "Not in the flag file", "1", "0.00 %"),
        ("off", "Disabled", "0", "–"),
    ]
    assert [row[6] for row in page.tables[0][1:]] == ["1 h", "3 d", "–"]
    assert [row[7] for row in page.tables[0][1:]] == ["1 h ago", "3 d ago", "no traffic yet"]


def test_the_list_can_be_narrowed_by_task_and_state(world: World) -> None:
    """The filters are links, so they work without JavaScript; what matches nothing says so."""
    world.write_flags(on="ENABLED", off="DISABLED")
    world.record("on", [Outcome("old", 1.0)])
    client = world.client()
    page = _page(client.get("/?state=disabled&task=asr"))
    assert [row[0].split()[0] for row in page.table("Experiment")[1:]] == ["off"]
    assert "/?state=disabled" in page.links
    assert "No experiment is of this task" in _page(client.get("/?task=ner")).text


def test_a_page_says_when_an_experiment_ends_by_itself(world: World) -> None:
    """The dates that evaluators obey stand beside the status."""
    world.record("e", [Outcome("new", 1.0)])
    world.write_flags(e="ENABLED")
    schedule(world.flags, "e", Dates(end=1_798_070_400), "")
    page = world.client().get("/experiments/e").text
    assert "<span>until 2026-12-24T00:00:00Z</span>" in page


def _conclude(world: World) -> None:
    conclude(world.flags, "e", "new", "")


def _end(world: World) -> None:
    schedule(world.flags, "e", Dates(end=int(NOW.timestamp())), "")


def _put_off(world: World) -> None:
    schedule(world.flags, "e", Dates(start=int(NOW.timestamp()) + 1), "")


@pytest.mark.parametrize(
    ("stop", "status"), [(_conclude, "Concluded"), (_end, "Ended"), (_put_off, "Not begun")]
)
def test_nobody_is_told_to_keep_running_what_does_not_run(
    world: World, stop: Callable[[World], None], status: str
) -> None:
    """Page and list say why it takes no requests; before, both said to keep it running."""
    outcomes = [
        Outcome(variant, 10.0, "timeout" if nth % 10 == 0 else "")
        for variant, count in (("old", 2700), ("new", 300))
        for nth in range(count)
    ]
    metadata = json.dumps({"control": "old"})
    world.record("e", outcomes, weights={"new": 10, "old": 90}, metadata=metadata)
    world.write_flags(e="ENABLED")
    for path in ("/", "/experiments/e"):
        assert "keep it running" in world.client().get(path).text
    stop(world)
    for path in ("/", "/experiments/e"):
        page = world.client().get(path).text
        assert "keep it running" not in page
        assert "Keep running" not in page
        assert "it does not run" in page
        assert f">{status}<" in page
    assert "Freshness" not in page
    assert "0 running" in world.client().get("/").text


def test_a_concluded_experiment_is_not_called_removed(world: World) -> None:
    """Its flag is still there, and sends everybody to the winner."""
    world.record("e", [Outcome("new", 1.0)])
    world.write_flags(e="ENABLED")
    conclude(world.flags, "e", "new", "")
    assert "Concluded" in world.client().get("/experiments/e").text
    assert "Concluded" in world.client().get("/").text


def test_a_broken_flag_file_costs_the_status_and_not_the_numbers(world: World) -> None:
    """The page says what is wrong with the file, and shows what was recorded."""
    world.flags.write_text("{", encoding="utf-8")
    world.record("e", [Outcome("old", 1.0)])
    page = _page(world.client().get("/experiments/e"))
    assert "The flag file can’t be read" in page.text
    assert str(world.flags) in page.text
    assert "Status unknown" in page.text
    assert page.row("Requests")[1:] == ["1"]


def test_a_last_window_that_reaches_beyond_now_is_seen_just_now(world: World) -> None:
    """A stored time may lie anywhere in its window, so also a little ahead."""
    world.record("e", [Outcome("old", 1.0)], days_ago=-1)
    assert _page(world.client().get("/")).row("e asr")[7] == "0 s ago"


def test_fallbacks_are_counted_where_there_are_some(world: World) -> None:
    """The requests of a variant that another one answered have a row of their own."""
    world.record("e", [Outcome("old", 1.0), Outcome("new", 1.0), Outcome("new", 1.0, served="old")])
    page = _page(world.client().get("/experiments/e"))
    assert page.row("Answered by another variant")[1:] == ["1", "0"]


@pytest.mark.usefixtures("empty_store")
def test_an_empty_store_has_a_page(world: World) -> None:
    """The list says that there is nothing yet, and what will make it appear."""
    response = world.client().get("/")
    assert "Nothing was recorded yet" in _page(response).text
    assert world.client().get("/api/experiments").get_json() == {"experiments": []}


@pytest.mark.usefixtures("empty_store")
def test_an_experiment_without_traffic_has_a_page(world: World) -> None:
    """It shows the weights, says that no traffic came, and draws no plot."""
    world.write_flags(e="ENABLED")
    page = _page(world.client().get("/experiments/e"))
    assert "No traffic yet" in page.text
    assert page.tables[0][1][:4] == ["old control asr-old", "0", "–", "90.00 %"]
    assert not any("plotly" in given.get("src", "") for _, given in page.tags)


@pytest.mark.parametrize("path", ["/experiments/none", "/none", "/experiments/", "/plotly/0.js"])
def test_what_is_not_there_is_a_404_with_a_way_back(empty_store: World, path: str) -> None:
    """The page has the way to the list."""
    response = empty_store.client().get(path)
    assert response.status_code == 404
    assert "/" in Page(response.text).links


def test_an_api_answers_errors_in_json(empty_store: World) -> None:
    """An unknown key is 404 and says which."""
    response = empty_store.client().get("/api/experiments/none")
    assert response.status_code == 404
    assert response.get_json() == {"error": "Not Found", "detail": "no experiment 'none'"}


@pytest.mark.parametrize("content", [None, b"this is no database " * 100])
def test_an_unreadable_store_is_said_on_the_page(world: World, content: bytes | None) -> None:
    """A missing file, and one that is no database, are 503 with the reason, and stay so."""
    file = world.folder / "store.db"
    if content is not None:
        file.write_bytes(content)
    response = world.client().get("/")
    assert response.status_code == 503
    assert str(file) in Page(response.text).text
    assert world.client().get("/api/experiments").status_code == 503
    assert (file.read_bytes() if file.exists() else None) == content


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(world: World, hostile: str) -> None:
    """As key, variant, language and owner it is shown, linked to, and never becomes a tag."""
    world.write_flags(**{hostile: "ENABLED"})
    document = json.loads(world.flags.read_text(encoding="utf-8"))
    document["flags"][hostile]["metadata"] |= {"owner": hostile, "hypothesis": hostile}
    world.flags.write_text(json.dumps(document), encoding="utf-8")
    world.record(hostile, [Outcome(hostile, 1.0), Outcome("old", 2.0)], phase=hostile)
    client = world.client()
    [link] = [link for link in _page(client.get("/")).links if link.startswith("/experiments/")]
    page = _page(client.get(link))
    assert hostile in page.text
    assert page.row("Metric")[1:] == ["old", hostile]
    assert [tag for tag, given in page.tags if tag == "script" and "src" not in given] == ["script"]
    assert client.get("/api" + link).get_json()["line"]["definition"]["key"] == hostile
    [narrowed] = [link for link in page.links if "?phase=" in link and "/api/" not in link][-1:]
    assert "Only phase" in _page(client.get(narrowed)).text


@pytest.mark.parametrize("key", ["\n", "a\nb", "\r\n"])
def test_a_key_of_several_lines_has_a_page(world: World, key: str) -> None:
    """The list leads to it, for the flag file has it."""
    world.record("e", [Outcome("old", 1.0)])
    world.write_flags(**{key: "ENABLED"})
    client = world.client()
    links = [link for link in _page(client.get("/")).links if "%0" in link]
    assert len(links) == 1
    assert client.get(links[0]).status_code == 200
    assert client.get("/api" + links[0]).get_json()["line"]["definition"]["key"] == key


def test_each_page_says_as_of_when_it_is(world: World) -> None:
    """And how old what it shows may be; a report says when it was made."""
    world.record("e", [Outcome("old", 1.0)])
    client = world.client()
    for path in ("/", "/experiments/e", "/pipeline"):
        assert "Read at 2026-11-24 12:00:00 UTC" in _page(client.get(path)).text
    assert "Read at" not in client.get("/reports/e").text


def test_recorded_phases_may_hold_anything(world: World) -> None:
    """Weights and metadata that are no JSON, or of another shape, leave the numbers alone."""
    from openfeature_triton.hooks import Point, SqlSink

    world.record("e", [Outcome("old", 1.0)])
    odd: list[Any] = ["", "no json", "[]", '{"old": "x", "new": true}', "[" * 100_000]
    sink = SqlSink(world.url)
    for nth, text in enumerate(odd):
        tags = (("experiment", "e"), ("phase", f"0000000{nth}"))
        later_ns = int((NOW + timedelta(days=nth)).timestamp()) * 10**9
        fields = {"weights": text, "metadata": text, "definition": text, "bucketing": text}
        sink.write([Point("experiment_phase", tags, later_ns, fields)])
    sink.close()
    assert _page(world.client().get("/experiments/e")).row("Requests")[1:] == ["1"]


def test_the_bar_names_the_page_one_is_on(world: World) -> None:
    """Of the two pages it leads to; an experiment's is neither."""
    world.record("e", [Outcome("old", 1.0)])
    for path, here in (("/", ["/"]), ("/pipeline", ["/pipeline"]), ("/experiments/e", [])):
        tags = _page(world.client().get(path)).tags
        assert [a["href"] for _, a in tags if a.get("aria-current") == "page"] == here
