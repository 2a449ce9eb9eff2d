"""A real InfluxDB that is stopped, killed, loses its bucket or refuses points, while recording."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from influxdb_client import BucketRetentionRules, InfluxDBClient
from pydantic import SecretStr

from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series, schema
from openfeature_triton.hooks.forwarding import ForwardingSink
from openfeature_triton.hooks.influx_writer import InfluxWriter, Verdict
from openfeature_triton.hooks.late import NS_PER_HOUR
from tests.store_servers import InfluxServer, running_influx

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONTROL = Series("e", "p", "control", "control", "asr", "hi")
BUCKETS = ("experiments", "experiments_raw")


@pytest.fixture
def server(influxd: Path) -> Iterator[InfluxServer]:
    """A server of this test's own, with its buckets."""
    with running_influx(influxd) as running:
        with client(running) as asks:
            for bucket in BUCKETS:
                asks.buckets_api().create_bucket(bucket_name=bucket, org=running.org)
        yield running


def client(server: InfluxServer) -> Any:
    """The official client, as the operator."""
    return InfluxDBClient(server.url, server.token, org=server.org)


def settings_of(server: InfluxServer) -> InfluxSettings:
    """How a recorder reaches the server."""
    return InfluxSettings(
        url=server.url, org=server.org, token=SecretStr(server.token), deadline_s=5
    )


@pytest.fixture
def recorder(server: InfluxServer, tmp_path: Path) -> Iterator[Recorder]:
    """Record to the server, often."""
    settings = RecorderSettings(
        flush_s=0.2, spool_s=0.1, on_sigterm=False, spool=tmp_path / "spool"
    )
    with closing(Recorder.open(settings, settings_of(server))) as opened:
        yield opened


def total(server: InfluxServer, measurement: str, field: str, bucket: str = BUCKETS[0]) -> float:
    """Add up a field over all points, by Flux."""
    query = f"""
        from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")
        |> group() |> sum()
    """
    with client(server) as asks:
        return sum(
            float(record.get_value()) for table in asks.query_api().query(query) for record in table
        )


def until(fact: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.02)


def recording(recorder: Recorder, per_s: int, ending: threading.Event) -> threading.Thread:
    """Record at a rate until told to end."""

    def work() -> None:
        while not ending.wait(1 / per_s):
            recorder.record(CONTROL, 10.0)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_server_that_goes_and_comes_back_has_all(
    server: InfluxServer, recorder: Recorder, kill: bool
) -> None:
    """100 requests a second go on all the while; each is counted once, raw points too."""
    ending = threading.Event()
    thread = recording(recorder, 100, ending)
    try:
        until(lambda: recorder.stats().delivered)
        server.stop(kill=kill)
        until(lambda: recorder.stats().delivery.failed_requests > 2)
        server.start()
        before = recorder.stats().delivered
        until(lambda: recorder.stats().delivered > before)
    finally:
        ending.set()
        thread.join()
    assert recorder.close(30)
    stats = recorder.stats()
    assert stats.dropped == {}
    assert total(server, schema.LIGHT, schema.REQUESTS) == stats.recorded == stats.delivered
    raw = total(server, schema.RAW, schema.SUCCESS, BUCKETS[1])
    assert raw == stats.recorded - stats.raw_left_out


def test_an_outage_of_six_hours_costs_no_outcome(server: InfluxServer, tmp_path: Path) -> None:
    """At 100 requests a second, six hours in 20 s; what raw points leave no room for is counted.

    The clock that windows go by runs faster; spool, sender and InfluxDB are as they are.
    """
    hours, per_s, step_s, limit = 6, 100, 10, 16 * 2**20
    start_ns = time.time_ns() // NS_PER_HOUR * NS_PER_HOUR - hours * NS_PER_HOUR
    now = [start_ns]
    settings = RecorderSettings(
        flush_s=0.2,
        spool_s=0.1,
        on_sigterm=False,
        raw_per_s=5000,
        spool=tmp_path / "spool",
        spool_max_bytes=limit,
    )
    sink = ForwardingSink(settings, settings_of(server))
    all_series = [CONTROL._replace(language=language) for language in ("hi", "ta", "bn", "te")]
    sizes = []
    with closing(Recorder(sink, settings, clock_ns=lambda: now[0])) as recorder:
        recorder.record(CONTROL, 10.0)
        until(lambda: recorder.stats().delivered)
        server.stop(kill=True)
        for _ in range(hours * 3600 // step_s):
            for number in range(per_s * step_s):
                recorder.record(all_series[number % 4], 5.0 + number % 7)
            time.sleep(0.005)
            now[0] += step_s * 10**9
            sizes.append(sum(path.stat().st_size for path in settings.spool.glob("*.spool")))
        stats = recorder.stats()
        assert (stats.delivered, stats.delivery.state) == (1, Verdict.UNREACHABLE.value)
        server.start()
        assert recorder.flush(60)
        assert recorder.close(60)
        stats = recorder.stats()
    assert stats.recorded == stats.delivered == hours * 3600 * per_s + 1
    assert max(sizes) <= 1.1 * limit
    assert total(server, schema.LIGHT, schema.REQUESTS) == stats.recorded
    spanned = len(windows(server, schema.LIGHT, schema.REQUESTS))
    assert spanned in (hours * 12, hours * 12 + 1)  # the last may begin before all is folded
    bins = [total(server, schema.LATENCY, schema.bin_field(each)) for each in range(420, 500)]
    assert sum(bins) == stats.recorded
    raw_dropped = stats.dropped["spool_full_raw"]
    assert stats.dropped == {"spool_full_raw": raw_dropped}
    raw = total(server, schema.RAW, schema.SUCCESS, BUCKETS[1])
    assert raw == stats.recorded - stats.raw_left_out - raw_dropped


def windows(server: InfluxServer, measurement: str, field: str) -> dict[int, float]:
    """Add up a field by the window of 300 s, in which all its points' times are."""
    query = f"""
        from(bucket: "{BUCKETS[0]}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")
        |> window(every: 5m) |> group(columns: ["_start"]) |> sum()
    """
    with client(server) as asks:
        return {
            int(record.values["_start"].timestamp()): float(record.get_value())
            for table in asks.query_api().query(query)
            for record in table
        }


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Let a folder be a disk of its own."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"NEEDS a small disk: {made.stderr.strip()} — run as root where it may mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no room on a folder's disk; gives the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return ballast


def test_a_server_whose_disk_is_full_has_all_when_there_is_room(
    influxd: Path, tmp_path: Path
) -> None:
    """It answers 500 meanwhile; recording goes on, and each outcome is counted once.

    InfluxDB 2.7 refuses a shard that it failed to open until it is started again.
    """
    engine = tmp_path / "engine"
    engine.mkdir()
    settings = RecorderSettings(
        flush_s=0.2, spool_s=0.1, on_sigterm=False, spool=tmp_path / "spool"
    )
    with (
        small_disk(engine, "160m"),
        running_influx(influxd, "--engine-path", str(engine)) as server,
    ):
        with client(server) as asks:
            for bucket in BUCKETS:
                asks.buckets_api().create_bucket(bucket_name=bucket, org=server.org)
        with closing(Recorder.open(settings, settings_of(server))) as recorder:
            recorder.record(CONTROL, 10.0)
            until(lambda: recorder.stats().delivery.raw_delivered)
            until(lambda: recorder.stats().delivered)
            ballast = fill(engine)
            for number in range(2000):
                recorder.record(CONTROL._replace(variant=f"v{number % 500}"), 10.0)
            until(lambda: recorder.stats().delivery.failed_requests > 1)
            assert "no space left on device" in recorder.stats().delivery.last_error
            ballast.unlink()
            server.stop()
            server.start()
            assert recorder.close(60)
            stats = recorder.stats()
        assert stats.dropped == {}
        assert total(server, schema.LIGHT, schema.REQUESTS) == stats.recorded == stats.delivered
        assert stats.recorded == 2001


def test_a_bucket_that_is_made_again_gets_what_waited(
    server: InfluxServer, recorder: Recorder
) -> None:
    """A missing bucket is no reason to drop anything."""
    with client(server) as asks:
        buckets = asks.buckets_api()
        buckets.delete_bucket(buckets.find_bucket_by_name(BUCKETS[0]))
        for _ in range(50):
            recorder.record(CONTROL, 10.0)
        until(lambda: recorder.stats().delivery.state == Verdict.NOT_ALLOWED.value)
        buckets.create_bucket(bucket_name=BUCKETS[0], org=server.org)
    assert recorder.close(30)
    assert total(server, schema.LIGHT, schema.REQUESTS) == 50


def test_one_point_of_another_type_among_500_is_the_only_one_refused(
    server: InfluxServer, recorder: Recorder
) -> None:
    """It becomes a dead letter with InfluxDB's own words; the 499 others are stored."""
    bad = CONTROL._replace(experiment="bad")
    with closing(InfluxWriter(settings_of(server))) as writer:
        now_ns = time.time_ns()
        line = f'{schema.LIGHT},experiment=bad {schema.error_field("timeout")}="text" {now_ns}'
        assert writer.write(BUCKETS[0], [line], 5).verdict is Verdict.STORED
    recorder.record(bad, 10.0, "timeout")
    for number in range(499):
        recorder.record(CONTROL._replace(variant=f"v{number}"), 10.0)
    recorder.flush(30)
    delivery = recorder.stats().delivery
    assert total(server, schema.LIGHT, schema.REQUESTS) == recorder.stats().delivered == 499
    assert delivery.dead_lettered == 1
    assert "field type conflict" in delivery.last_error
    assert recorder.close(30)


def test_points_older_than_the_bucket_keeps_become_dead_letters(
    server: InfluxServer, tmp_path: Path
) -> None:
    """The others of the batch are stored; the reason is InfluxDB's."""
    with client(server) as asks:
        buckets = asks.buckets_api()
        buckets.delete_bucket(buckets.find_bucket_by_name(BUCKETS[0]))
        rule = BucketRetentionRules(type="expire", every_seconds=86_400)
        buckets.create_bucket(bucket_name=BUCKETS[0], org=server.org, retention_rules=rule)
    now = [time.time_ns() - 7 * 86_400 * 10**9]
    settings = RecorderSettings(
        flush_s=3600, spool_s=60, on_sigterm=False, raw_points=False, spool=tmp_path / "late"
    )
    sink = ForwardingSink(settings, settings_of(server))
    recorder = Recorder(sink, settings, clock_ns=lambda: now[0])
    for _ in range(3):
        recorder.record(CONTROL, 10.0)
        recorder.flush(20)
        now[0] += 7 * 86_400 * 10**9 // 2
    recorder.close(20)
    stats = recorder.stats()
    assert (stats.recorded, stats.delivered, stats.delivery.dead_lettered) == (3, 1, 2)
    assert total(server, schema.LIGHT, schema.REQUESTS) == 1
