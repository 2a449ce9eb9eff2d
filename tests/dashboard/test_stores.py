"""What any store must do, held against SQLite, PostgreSQL and InfluxDB."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openfeature.track import TrackingEventDetails

from openfeature_triton.dashboard import DashboardSettings, create_app
from openfeature_triton.dashboard.remembering import RememberingStore
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    COUNTS,
    LATENCIES,
    PHASES,
    SEEN,
    Query,
    Totals,
    read_evaluations,
    read_traffic,
)
from openfeature_triton.hooks import MemorySink, Point, Recorder, RecorderSettings, Series
from openfeature_triton.hooks.late import NS_PER_DAY
from tests.dashboard.stores import AnyStore, influx_store, one, postgres_store, sqlite_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("influx", "postgres"),  # started before what looks for leaks
]

HOUR_NS = 3600 * 10**9
TODAY = 20_600
NOW_NS = TODAY * NS_PER_DAY + 12 * HOUR_NS
HOSTILE = 'a, b="c" d\\ ${x} <i>é'


@pytest.fixture(params=["sqlite", "postgresql", "influx"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    """An empty store of each kind."""
    if request.param == "sqlite":
        made = sqlite_store(tmp_path)
    elif request.param == "postgresql":
        made = postgres_store(request.getfixturevalue("postgres"))
    else:
        made = influx_store(request.getfixturevalue("influx"), tmp_path)
    yield made
    made.read.close()


def at(day: int, hour: float = 0.0, offset_ns: int = 0) -> int:
    """A time, so many days before today."""
    return (TODAY - day) * NS_PER_DAY + int(hour * HOUR_NS) + offset_ns


def light(time_ns: int, requests: float, **tags: str) -> Point:
    """A window's running totals."""
    given = {"experiment": "e", "phase": "p", "variant": "v", "served": "v", "task_type": "asr"}
    series = tuple({**given, "language": "hi", **tags}.items())
    fields = {"requests": requests, "exposures": requests + 1, "errors": 1.0}
    return Point("inference_light", series, time_ns, fields)


def requests_by_day(totals: tuple[Totals, ...]) -> dict[int, float]:
    """Requests of each day, counted back from today."""
    found: dict[int, float] = {}
    for each in totals:
        day = TODAY - each.start_ns // NS_PER_DAY
        found[day] = found.get(day, 0.0) + each.fields["requests"]
    return found


def test_an_empty_store_gives_nothing(store: AnyStore) -> None:
    """Nothing recorded is no error."""
    assert read_traffic(store.read) == ()
    assert one(store.read, COUNTS, "e") == ()
    assert read_evaluations(store.read) == ()
    assert one(store.read, PHASES) == ()
    store.read.check()


def test_writers_of_one_window_are_summed(store: AnyStore) -> None:
    """Two processes never overwrite each other; a window written again replaces itself."""
    first, second = at(0, 9, 17), at(0, 9, 18)
    store.write(NOW_NS, light(first, 3), light(second, 5))
    store.write(NOW_NS, light(first, 4))
    (totals,) = one(store.read, COUNTS, "e")
    assert totals.fields == {"requests": 9.0, "exposures": 11.0, "errors": 2.0}
    (traffic,) = read_traffic(store.read, "e")
    assert (traffic.requests, traffic.first_ns, traffic.last_ns) == (9, first, second)


def test_hostile_names_stay_names(store: AnyStore) -> None:
    """Whatever text a key is, it is found by it, and nothing else is."""
    store.write(NOW_NS, light(at(0), 1, experiment=HOSTILE, language=HOSTILE), light(at(0), 2))
    (totals,) = one(store.read, COUNTS, HOSTILE)
    assert (totals.language, totals.fields["requests"]) == (HOSTILE, 1.0)
    assert [each.experiment for each in read_traffic(store.read)] == [HOSTILE, "e"]
    assert one(store.read, COUNTS, '" or true or "') == ()


def test_tags_may_be_empty(store: AnyStore) -> None:
    """What is of no experiment is not listed; an experiment without a language is."""
    store.write(NOW_NS, light(at(0), 1, experiment=""), light(at(0), 2, language=""))
    (traffic,) = read_traffic(store.read)
    assert (traffic.experiment, traffic.requests) == ("e", 2)
    (totals,) = one(store.read, COUNTS, "e")
    assert totals.language == ""


def test_totals_by_hour_and_of_a_stretch_of_time(store: AnyStore) -> None:
    """Hours are kept apart, and only what was asked for is summed; merged days change nothing."""
    points = [light(at(day, hour), 1 + hour) for day in (0, 1, 2) for hour in (0, 5, 23)]
    store.write(NOW_NS, *points)
    for _ in range(2):
        hours = one(store.read, COUNTS, "e", step="hour", start_ns=at(1, 5), end_ns=at(1, 23))
        assert [(each.start_ns, each.fields["requests"]) for each in hours] == [(at(1, 5), 6.0)]
        part = one(store.read, COUNTS, "e", start_ns=at(2, 5), end_ns=at(0, 5))
        assert requests_by_day(part) == {2: 30.0, 1: 31.0, 0: 1.0}
        store.merge(NOW_NS)


def test_first_and_last_are_of_all_series_of_a_variant(store: AnyStore) -> None:
    """Whichever language they are of, in the stretch of time that is asked for."""
    hours = {"hi": (2, 9), "ta": (5, 7)}
    points = [light(at(0, h), 1, language=name) for name in hours for h in hours[name]]
    store.write(NOW_NS, *points)
    (seen,) = one(store.read, SEEN, "e")
    assert (seen.first_ns, seen.last_ns) == (at(0, 2), at(0, 9))
    (seen,) = one(store.read, SEEN, "e", start_ns=at(0, 3), end_ns=at(0, 9))
    assert (seen.first_ns, seen.last_ns) == (at(0, 5), at(0, 7))


def test_sums_are_kept_apart_by_what_is_asked_for(store: AnyStore) -> None:
    """By some tags, or none; over all time; of all experiments; of some fields, in one read."""
    points = [
        light(at(day, 3), requests, experiment=key, variant=variant, language=language)
        for day in (0, 2)
        for key, variant, language, requests in (
            *(("e", "v", "hi", 1), ("e", "v", "ta", 2), ("e", "w", "hi", 4)),
            *(("f", "v", "hi", 8), ("", "v", "hi", 16)),
        )
    ]
    store.write(NOW_NS, *points)
    for _ in range(2):
        by_variant, whole, every, nothing = store.read.read(
            Query(COUNTS, "e", "all", by=("variant",), fields=("requests",)),
            Query(COUNTS, "e", "all", by=()),
            Query(COUNTS, step="all", by=("experiment", "task_type")),
            Query(COUNTS, "g", "all"),
        )
        assert [(t.variant, t.language, dict(t.fields)) for t in by_variant] == [
            *(("v", "", {"requests": 6.0}), ("w", "", {"requests": 8.0})),
        ]
        assert [each.fields["requests"] for each in whole] == [14.0]
        assert [(t.experiment, t.task_type, t.start_ns, t.fields["requests"]) for t in every] == [
            *(("e", "asr", 0, 14.0), ("f", "asr", 0, 16.0)),
        ]
        assert nothing == ()
        store.merge(NOW_NS)


def test_evaluations_and_phases(store: AnyStore) -> None:
    """How a flag was evaluated, and what its definition was when it first went live."""
    for start_ns in (at(0, 1), at(0, 2)):
        recorder = store.recorder(start_ns)
        recorder.evaluated("e", "v", "TARGETING_MATCH", "", 10.0)
        recorder.evaluated("e", "", "ERROR", "FLAG_NOT_FOUND", 5.0)
        said: dict[str, Any] = {
            "experiment": "e",
            "phase": "p",
            "weights": '{"v": 1}',
            "bucketing": "v3",
        }
        said |= {"metadata": '{"a": "b\\nc"}', "definition": HOSTILE}
        recorder.track("experiment_phase", None, TrackingEventDetails(attributes=said))
        assert recorder.close()
    wrong, right = read_evaluations(store.read)
    assert (wrong.reason, wrong.error_code, wrong.count, wrong.errors) == (
        *("ERROR", "FLAG_NOT_FOUND", 2, 2),
    )
    assert (right.variant, right.count, right.errors, right.duration_us_sum) == ("v", 2, 0, 20.0)
    (phase,) = one(store.read, PHASES, "e")
    assert (phase.first_seen_ns, phase.weights, phase.definition) == (
        *(at(0, 1), '{"v": 1}', HOSTILE),
    )
    assert phase.metadata == '{"a": "b\\nc"}'
    assert one(store.read, PHASES, "another") == ()


def test_merged_days_hold_what_the_windows_do(store: AnyStore) -> None:
    """To the digit, over many writers; merged again, the days are the same."""
    drawn = random.Random(1)  # noqa: S311
    for _ in range(4):
        recorder_offset = drawn.randrange(10**9)
        store.write(
            NOW_NS,
            *(
                light(at(day, hour, recorder_offset), drawn.randrange(100), variant=variant)
                for day in range(5)
                for hour in (0, 11, 23)
                for variant in ("v", "w")
            ),
        )
    before = one(store.read, COUNTS, "e"), read_traffic(store.read)
    merged = store.merge(NOW_NS)
    assert set(merged) >= {TODAY - day for day in (1, 2, 3, 4)}
    assert TODAY not in merged
    assert (one(store.read, COUNTS, "e"), read_traffic(store.read)) == before
    store.merge(NOW_NS)
    assert (one(store.read, COUNTS, "e"), read_traffic(store.read)) == before


def test_a_day_is_merged_an_hour_after_its_end(store: AnyStore) -> None:
    """Before, its last windows may not be there yet."""
    store.write(at(0), light(at(1, 23), 1))
    assert TODAY - 1 not in store.merge(at(0, 0.99))
    assert TODAY - 1 in store.merge(at(0, 1.01))


@pytest.mark.parametrize("late_hours", [25, 30, 72, 24 * 40])
def test_late_windows_are_counted_before_and_after_the_day_is_merged_again(
    store: AnyStore, late_hours: int
) -> None:
    """A spool of a process that ended long ago: nothing is ever missed or counted twice."""
    day = late_hours // 24
    store.write(at(day, 13), light(at(day, 12, 1), 10), light(at(day + 1, 12, 1), 10))
    store.merge(NOW_NS)
    store.write(NOW_NS, light(at(day, 12, 2), 7), light(at(0, 11, 2), 1))
    wanted = {day + 1: 10.0, day: 17.0, 0: 1.0}
    assert requests_by_day(one(store.read, COUNTS, "e")) == wanted
    assert TODAY - day in store.merge(NOW_NS)
    assert requests_by_day(one(store.read, COUNTS, "e")) == wanted
    store.write(NOW_NS, light(at(day, 12, 2), 8))
    assert requests_by_day(one(store.read, COUNTS, "e")) == {**wanted, day: 18.0}


def test_the_seam_holds_as_time_goes_on(store: AnyStore) -> None:
    """Hour by hour over three days, with merges between the writes, the sum is what was written."""
    written = 0.0
    for hour in range(0, 72, 3):
        now_ns = at(2, hour)
        if hour % 9 == 0:
            store.merge(now_ns)
        store.write(now_ns, light(now_ns, 1), light(max(now_ns - 2 * HOUR_NS, at(2)) + 5, 2))
        written += 3.0
        assert sum(requests_by_day(one(store.read, COUNTS, "e")).values()) == written


def test_the_same_outcomes_give_the_same_numbers_in_all_stores(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Totals, clusters, traffic, evaluations: to the last bit, from windows and merged days."""
    stores = [
        sqlite_store(tmp_path),
        postgres_store(request.getfixturevalue("postgres")),
        influx_store(request.getfixturevalue("influx"), tmp_path),
    ]
    for start_ns in (at(2, 3), at(1, 3), at(0, 3)):
        # The same points for all: two recorders may add up the same latencies in another order.
        points = _points_of_users(start_ns)
        for store in stores:
            store.write(start_ns, *points)
    for _ in range(2):
        seen = [_read(store) for store in stores]
        assert seen[0] == seen[1] == seen[2]
        assert len(seen[0][0]) == 18
        clusters = seen[0][2]
        assert {(each.variant, each.language) for each in clusters} == {("v", ""), ("w", "")}
        for part in ("n", "m_output_words_n"):
            assert sum(_of_part(each, part) for each in clusters) == 3 * 400
        for store in stores:
            store.merge(NOW_NS)
    for store in stores:
        store.read.close()


def _points_of_users(start_ns: int) -> list[Point]:
    """What a process recorded of fifty users, in three languages, one of them not said."""
    drawn = random.Random(start_ns)  # noqa: S311
    sink = MemorySink()
    recorder = Recorder(sink, RecorderSettings(on_sigterm=False), clock_ns=lambda: start_ns)
    for _ in range(400):
        variant, language = drawn.choice("vw"), drawn.choice(["hi", "ta-IN", ""])
        series = Series("e", "p", variant, variant, "asr", language)
        recorder.expose(series)
        recorder.evaluated("e", variant, "SPLIT", "", 1.0)
        latency_ms, user = drawn.lognormvariate(3, 1), f"user-{drawn.randrange(50)}"
        error, words = drawn.choice(["", "", "timeout"]), float(drawn.randrange(9))
        recorder.record(series, latency_ms, error, {"output_words": words}, targeting_key=user)
    assert recorder.close()
    return _written(sink)


def _written(sink: MemorySink) -> list[Point]:
    return [Point(*key, fields) for key, fields in sink.points.items()]


def _of_part(totals: Totals, part: str) -> float:
    """The sum over all buckets of users."""
    return float(totals.users.parts[part].sum())


PAGES = (
    "/",
    "/experiments/e",
    "/experiments/e?phase=p",
    "/api/experiments",
    "/api/experiments/e",
    "/api/experiments/e/metrics?by=hour",
    "/api/experiments/e/metrics?by=total&variant=w&start=2026-05-26",
    "/api/experiments/e/metrics.csv",
    "/metrics",
)


@pytest.mark.parametrize("unit", ["request", "user"])
def test_the_same_data_gives_the_same_page_to_the_digit(
    tmp_path: Path, request: pytest.FixtureRequest, unit: str
) -> None:
    """Whichever store it is in, whether days are merged, whether it is remembered."""
    stores = [
        sqlite_store(tmp_path),
        postgres_store(request.getfixturevalue("postgres")),
        influx_store(request.getfixturevalue("influx"), tmp_path),
    ]
    points = _points_of_some_days(unit)
    for store in stores:
        store.write(NOW_NS, *points)
    shown = [_pages(store) for store in stores]
    assert shown[0] == shown[1] == shown[2]
    assert any("95 %" in page for page in shown[0])
    assert any("Users are compared" in page for page in shown[0]) == (unit == "user")
    for store in stores:
        store.merge(NOW_NS)
        assert _pages(store) == shown[0]
        store.read.close()


def _points_of_some_days(unit: str) -> list[Point]:
    """What two processes recorded in each hour of five days, in two languages."""
    drawn = random.Random(11)  # noqa: S311
    sink = MemorySink()
    said: dict[str, Any] = {"experiment": "e", "phase": "p", "bucketing": "v3"}
    said["weights"] = '{"v": 1, "w": 1}'
    said["metadata"] = f'{{"control": "v", "unit": "{unit}", "planned_requests": 4000}}'
    for hour in range(5 * 24 - 12):
        recorder = Recorder(sink, RecorderSettings(on_sigterm=False), clock_ns=partial(at, 4, hour))
        recorder.track("experiment_phase", None, TrackingEventDetails(attributes=said))
        for _ in range(20):
            variant, language = drawn.choice("vw"), drawn.choice(["hi", "ta-IN"])
            series = Series("e", "p", variant, variant, "asr", language)
            recorder.expose(series)
            error = "timeout" if drawn.random() < 0.1 else ""
            latency_ms, user = drawn.lognormvariate(3, 1), f"user-{drawn.randrange(300)}"
            key = user if unit == "user" else None
            recorder.record(series, latency_ms, error, {"output_words": 3.0}, targeting_key=key)
        assert recorder.close()
    return _written(sink)


def _pages(store: AnyStore) -> list[str]:
    """What a dashboard shows of a store, twice: read, and remembered."""
    now = datetime.fromtimestamp(NOW_NS // 10**9, timezone.utc)
    settings = DashboardSettings(flags="none.json", access="none", spool="none")
    shown = []
    for read in (store.read, RememberingStore(store.read, lambda: now)):
        client = create_app(settings, store=read, clock=lambda: now).test_client()
        shown += [_rounded(client.get(path).get_data(as_text=True)) for path in PAGES]
    assert shown[: len(PAGES)] == shown[len(PAGES) :]
    return shown[: len(PAGES)]


def _rounded(page: str) -> str:
    """JSON and CSV give all 17 digits, the last of which depend on the order of adding."""
    return re.sub(r"\d+\.\d{13,}(e-?\d+)?", lambda found: f"{float(found[0]):.12g}", page)


def _read(store: AnyStore) -> tuple[Any, ...]:
    """All there is to read."""
    read = store.read
    return (
        one(read, COUNTS, "e"),
        one(read, LATENCIES, "e"),
        one(read, CLUSTERS, "e"),
        read_traffic(read),
        read_evaluations(read),
    )
