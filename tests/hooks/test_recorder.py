"""The recorder, into a sink in memory."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.hooks import MemorySink, Recorder, RecorderSettings, Series, schema

CONTROL = Series("e", "p", "control", "control", "asr", "hi")
TREATMENT = CONTROL._replace(variant="treatment", served="treatment")


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000 * 10**9

    def __call__(self) -> int:
        """Give the time."""
        return self.now_ns


@pytest.fixture
def sink() -> MemorySink:
    """Where the recorder writes."""
    return MemorySink()


@pytest.fixture
def clock() -> Clock:
    """The recorder's clock."""
    return Clock()


@pytest.fixture
def recorder(sink: MemorySink, clock: Clock) -> Iterator[Recorder]:
    """Record without writing by itself, so that a test says when."""
    recorder = make(sink, clock)
    yield recorder
    sink.failure = None
    recorder.close()


def make(sink: MemorySink, clock: Clock, **settings: Any) -> Recorder:
    """Make a recorder that leaves SIGTERM alone."""
    given: dict[str, Any] = {"flush_s": 3600, "on_sigterm": False} | settings
    return Recorder(sink, RecorderSettings(**given), clock_ns=clock)


def test_counts_reach_the_sink(recorder: Recorder, sink: MemorySink) -> None:
    """Exposures, outcomes, errors, latencies, metrics and evaluations are all there."""
    recorder.expose(CONTROL)
    recorder.record(CONTROL, 10.0, metrics={"output_words": 3})
    recorder.record(CONTROL, 30.0, "timeout", {"output_words": 5})
    recorder.record(TREATMENT, 5.0)
    recorder.evaluated("e", "control", "SPLIT", "", 12.5)
    recorder.evaluated("e", "", "ERROR", "FLAG_NOT_FOUND", 2.5)
    assert recorder.flush()
    expected = {
        schema.EXPOSURES: 1,
        schema.REQUESTS: 2,
        schema.ERRORS: 1,
        schema.error_field("timeout"): 1,
        schema.LATENCY_SUM: 40,
        schema.LATENCY_SUMSQ: 1000,
        schema.LATENCY_LN_SUM: math.log(300),
        "m_output_words_n": 2,
        "m_output_words_sum": 8,
        "m_output_words_sumsq": 34,
    }
    for field, total in expected.items():
        assert sink.total(schema.LIGHT, field, variant="control") == pytest.approx(total)
    assert sink.total(schema.LIGHT, schema.REQUESTS, variant="treatment") == 1
    assert sink.total(schema.EVALUATION, schema.COUNT) == 2
    assert sink.total(schema.EVALUATION, schema.EVALUATION_ERRORS) == 1
    assert sink.total(schema.EVALUATION, schema.DURATION_SUM) == 15


def test_what_changed_is_written_by_itself(sink: MemorySink) -> None:
    """Nobody has to flush."""
    recorder = Recorder(sink, RecorderSettings(flush_s=0.02, on_sigterm=False))
    recorder.record(CONTROL, 10.0)
    deadline_s = time.monotonic() + 10
    while not sink.points and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert sink.total(schema.LIGHT, schema.REQUESTS) == 1
    assert recorder.close()


def test_many_threads_lose_nothing(recorder: Recorder, sink: MemorySink) -> None:
    """Each of 8 threads' outcomes is counted once, while the background thread drains."""
    each, threads = 5_000, 8

    def work(number: int) -> None:
        series = CONTROL._replace(language=("hi", "ta")[number % 2])
        for _ in range(each):
            recorder.expose(series)
            recorder.record(series, 10.0)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert recorder.close()
    assert sink.total(schema.LIGHT, schema.REQUESTS) == each * threads
    assert sink.total(schema.LIGHT, schema.EXPOSURES) == each * threads
    stats = recorder.stats()
    assert stats.accepted == stats.recorded == stats.delivered == each * threads
    assert stats.dropped == {}


HOSTILE: list[Any] = [
    None,
    math.nan,
    math.inf,
    -1,
    10**400,
    True,
    "12",
    b"12",
    [],
    {},
    object(),
    EvaluationContext(),
]


@pytest.mark.parametrize("thing", HOSTILE, ids=repr)
def test_nothing_that_is_handed_over_raises(
    recorder: Recorder, sink: MemorySink, thing: Any
) -> None:
    """Whatever stands wherever, the call returns, and good outcomes beside it are counted."""
    recorder.expose(thing)
    recorder.record(thing, 1.0)
    recorder.record(CONTROL._replace(language=thing), 1.0)
    recorder.record(CONTROL, thing)
    recorder.record(CONTROL, 1.0, thing)
    recorder.record(CONTROL, 1.0, "", thing)
    recorder.record(CONTROL, 1.0, "", {"output_words": thing, "confidence": thing})
    recorder.evaluated(thing, thing, thing, thing, thing)
    for event in ("inference", "experiment_phase", thing):
        recorder.track(event, thing, thing)
        details = TrackingEventDetails(thing, {"experiment": thing, "metrics": thing})
        recorder.track(event, EvaluationContext(), details)
    recorder.record(TREATMENT, 1.0)
    assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.REQUESTS, variant="treatment") == 1
    assert recorder.stats().last_error == ""
    assert recorder.stats().dropped


def test_what_is_refused_is_counted_by_reason(recorder: Recorder) -> None:
    """Each refusal has its reason, and the outcome that carried a bad metric still counts."""
    recorder.record(CONTROL, math.nan)
    recorder.record(CONTROL, -1.0)
    recorder.record(None, 1.0)  # type: ignore[arg-type]
    recorder.track("inference", None, TrackingEventDetails(None, {"experiment": "e"}))
    recorder.track("experiment_phase", None, TrackingEventDetails(None, {}))
    recorder.track("checkout")
    recorder.record(CONTROL, 1.0, metrics={"bogus": 1, "output_words": math.nan})
    recorder.record(CONTROL, 1.0, metrics={f"m{number}": 1 for number in range(1000)})
    recorder.record(CONTROL, 1.0, metrics=[3])  # type: ignore[arg-type]
    assert recorder.flush()
    stats = recorder.stats()
    assert stats.recorded == 3
    assert stats.dropped == {"bad_latency": 3, "bad_series": 1, "bad_event": 1}
    assert stats.refused_metrics == {
        "unknown_metric": 1,
        "not_finite": 1,
        "too_many_metrics": 1,
        "not_a_mapping": 1,
    }
    assert stats.ignored_events == 1


def test_metrics_may_be_changed_after_they_were_handed_over(
    recorder: Recorder, sink: MemorySink
) -> None:
    """The caller's own mapping is copied."""
    metrics = {"output_words": 3.0}
    recorder.record(CONTROL, 1.0, metrics=metrics)
    metrics["output_words"] = 100.0
    assert recorder.flush()
    assert sink.total(schema.LIGHT, "m_output_words_sum") == 3


def test_tracking_events_are_outcomes(recorder: Recorder, sink: MemorySink) -> None:
    """A service that only knows OpenFeature records through `track`."""
    attributes: dict[str, Any] = {**CONTROL._asdict(), "success": False, "error_class": "timeout"}
    recorder.track("inference", EvaluationContext(), TrackingEventDetails(12.5, attributes))
    assert recorder.flush()
    tags = CONTROL._asdict()
    assert sink.total(schema.LIGHT, schema.LATENCY_SUM, **tags) == 12.5
    assert sink.total(schema.LIGHT, schema.error_field("timeout"), **tags) == 1


def test_a_phase_is_written_once(recorder: Recorder, sink: MemorySink, clock: Clock) -> None:
    """A phase that is announced twice before it is written keeps its first time."""
    details = TrackingEventDetails(attributes={"experiment": "e", "phase": "p", "weights": "{}"})
    first_ns = clock.now_ns
    recorder.track("experiment_phase", None, details)
    clock.now_ns += 10**9
    recorder.track("experiment_phase", None, details)
    assert recorder.flush()
    ((measurement, _, time_ns),) = sink.points
    assert (measurement, time_ns) == (schema.PHASE, first_ns)


def test_windows_follow_the_clock_and_lose_nothing(
    recorder: Recorder, sink: MemorySink, clock: Clock
) -> None:
    """However the clock moves, each outcome is in one window, and none is overwritten."""
    moves_s = [0, 1, 299, 300, 5, -3600, -300, 7200, 1, -10]
    for move_s in moves_s:
        clock.now_ns += move_s * 10**9
        recorder.record(CONTROL, 10.0)
        assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.REQUESTS) == len(moves_s)
    bins = [
        sum(map(float, f.values())) for (m, _, _), f in sink.points.items() if m == schema.LATENCY
    ]
    assert sum(bins) == len(moves_s)


def test_writers_with_the_same_clock_do_not_overwrite_each_other(clock: Clock) -> None:
    """Sixteen recorders on one series and one frozen clock add up."""
    shared = MemorySink()
    recorders = [make(shared, clock) for _ in range(16)]
    for each in recorders:
        each.record(CONTROL, 10.0)
    closed = [each.close() for each in recorders]
    assert all(closed)
    assert shared.total(schema.LIGHT, schema.REQUESTS) == 16
    width_ns = 300 * 10**9
    windows = {time_ns // width_ns for name, _, time_ns in shared.points if name == schema.LIGHT}
    assert windows == {clock.now_ns // width_ns}


def fail_to_write(recorder: Recorder) -> None:
    """Wait until the recorder tried to write what it has, in vain."""
    before = recorder.stats().failed_writes
    assert not recorder.flush(0)
    deadline_s = time.monotonic() + 10
    while recorder.stats().failed_writes == before and time.monotonic() < deadline_s:
        time.sleep(0.001)
    assert recorder.stats().failed_writes > before


def test_a_sink_that_fails_and_recovers_has_all(
    recorder: Recorder, sink: MemorySink, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Over several windows of trouble nothing is lost; it is said once, and once when it ends."""
    caplog.set_level(logging.INFO, "openfeature_triton")
    sink.failure = OSError("disk full")
    for _ in range(5):
        recorder.record(CONTROL, 10.0)
        fail_to_write(recorder)
        clock.now_ns += 300 * 10**9
    assert recorder.stats().last_error == "OSError: disk full"
    assert recorder.stats().delivered == 0
    sink.failure = None
    recorder.record(CONTROL, 10.0)
    assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.REQUESTS) == recorder.stats().delivered == 6
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_long_outage_is_bounded_and_counted(sink: MemorySink, clock: Clock) -> None:
    """Beyond the bound the oldest windows go, and how many outcomes they were is known."""
    recorder = make(sink, clock, max_backlog=10)
    sink.failure = OSError("gone")
    for _ in range(50):
        recorder.record(CONTROL, 10.0)
        fail_to_write(recorder)
        clock.now_ns += 3600 * 10**9
    assert recorder.stats().backlog_points <= 12
    sink.failure = None
    assert recorder.close()
    stats = recorder.stats()
    assert stats.dropped["backlog_full"] > 0
    assert stats.delivered + stats.dropped["backlog_full"] == stats.recorded == 50
    assert sink.total(schema.LIGHT, schema.REQUESTS) == stats.delivered


class StuckSink(MemorySink):
    """A sink whose writes wait until a test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()

    def write(self, points: Any) -> None:
        """Wait, then write."""
        self.reached.set()
        self.released.wait(60)
        super().write(points)


def test_a_stuck_background_thread_costs_bounded_memory(clock: Clock) -> None:
    """What doesn't fit is dropped and counted; what fitted is counted when it goes on."""
    stuck = StuckSink()
    recorder = make(stuck, clock, max_pending=1000, flush_s=0.01)
    recorder.record(CONTROL, 1.0)
    assert stuck.reached.wait(10)
    for _ in range(10_000):
        recorder.record(CONTROL, 1.0)
    dropped = recorder.stats().dropped["queue_full"]
    assert dropped >= 10_000 - 5_000
    assert not recorder.flush(0)
    stuck.released.set()
    assert recorder.close()
    assert stuck.total(schema.LIGHT, schema.REQUESTS) == 10_001 - dropped


def test_too_many_series_are_counted_as_other(sink: MemorySink, clock: Clock) -> None:
    """A flood of languages keeps its experiment and variant, and leaves other experiments alone."""
    recorder = make(sink, clock, max_series=5)
    recorder.record(CONTROL, 1.0)
    for first in "abcdefghijklmnopqrst":
        for second in "abcdefghij":
            recorder.record(TREATMENT._replace(language=first + second), 1.0)
    assert recorder.close()
    assert sink.total(schema.LIGHT, schema.REQUESTS, variant="control") == 1
    assert sink.total(schema.LIGHT, schema.REQUESTS, variant="treatment") == 200
    assert sink.total(schema.LIGHT, schema.REQUESTS, language="other") == 196
    assert recorder.stats().collapsed == 196
    assert len(sink.points) == 2 * 6


def test_tags_that_no_store_could_bear_are_other(recorder: Recorder, sink: MemorySink) -> None:
    """A megabyte of text, newlines and lone surrogates end in `other`."""
    for hostile in ("x" * 1_000_000, "a\nb", "\ud800"):
        recorder.record(CONTROL._replace(experiment=hostile, language=hostile), 1.0)
    assert recorder.flush()
    assert sink.total(schema.LIGHT, schema.REQUESTS, experiment="other", language="other") == 3


def test_closing_writes_and_ends_the_thread(sink: MemorySink, clock: Clock) -> None:
    """After `close` all is written, the sink closed, the thread gone; again is no harm."""
    recorder = make(sink, clock)
    recorder.record(CONTROL, 1.0)
    assert recorder.close()
    assert recorder.close()
    assert recorder.flush()
    assert sink.closed
    assert not [t for t in threading.enumerate() if t.name == "openfeature-triton-recorder"]
    assert sink.total(schema.LIGHT, schema.REQUESTS) == 1


def test_after_closing_what_comes_is_dropped_and_counted(sink: MemorySink, clock: Clock) -> None:
    """A late caller is not failed, and not forgotten either."""
    recorder = make(sink, clock)
    recorder.record(CONTROL, 1.0)
    assert recorder.close()
    recorder.record(CONTROL, 1.0)
    recorder.expose(CONTROL)
    recorder.evaluated("e", "control", "SPLIT", "", 1.0)
    recorder.track(
        "experiment_phase", None, TrackingEventDetails(None, {"experiment": "e", "phase": "p"})
    )
    assert recorder.stats().dropped == {"closed": 4}


def test_closing_an_unused_recorder_closes_its_sink(sink: MemorySink, clock: Clock) -> None:
    """No thread is started for nothing."""
    recorder = make(sink, clock)
    assert recorder.flush()
    assert sink.writes == 0
    assert recorder.close()
    assert sink.closed


def test_closing_on_a_failing_sink_ends_in_time_and_says_so(
    sink: MemorySink, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be written in time is counted as dropped, and logged."""
    recorder = make(sink, clock)
    sink.failure = OSError("gone")
    recorder.record(CONTROL, 1.0)
    assert not recorder.close(0.3)
    assert recorder.close(10) is False
    assert recorder.stats().dropped == {"closed": 1}
    assert "1 outcomes" in caplog.text


def test_closing_tries_again_until_its_time_is_up(sink: MemorySink, clock: Clock) -> None:
    """A sink that is back before the time is up has all."""
    recorder = make(sink, clock)
    sink.failure = OSError("busy")
    recorder.record(CONTROL, 1.0)
    back = threading.Timer(0.3, lambda: setattr(sink, "failure", None))
    back.start()
    assert recorder.close(30)
    back.join()
    assert sink.total(schema.LIGHT, schema.REQUESTS) == 1


def test_a_process_that_can_start_no_thread_writes_all_the_same(
    sink: MemorySink, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the interpreter refuses threads, `flush` and `close` do the work themselves."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    recorder = make(sink, clock)
    recorder.record(CONTROL, 1.0)
    assert recorder.flush()
    recorder.record(CONTROL, 1.0)
    assert recorder.close()
    assert sink.total(schema.LIGHT, schema.REQUESTS) == 2
