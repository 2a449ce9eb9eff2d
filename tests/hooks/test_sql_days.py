"""Days that a recorder merges by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, select

from openfeature_triton.hooks import Point, Recorder, RecorderSettings, Series, SqlSink
from openfeature_triton.hooks.late import NS_PER_DAY
from openfeature_triton.hooks.tables import day_values, merged_days, windows

TODAY = time.time_ns() // NS_PER_DAY
TAGS = (("experiment", "e"), ("phase", "p"), ("variant", "v"))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a store that isn't there yet."""
    return f"sqlite:///{tmp_path}/store.db"


def window(days_ago: int, requests: float, offset_ns: int = 0) -> Point:
    """A window of a day."""
    time_ns = (TODAY - days_ago) * NS_PER_DAY + offset_ns
    return Point("inference_light", TAGS, time_ns, {"requests": requests})


def merged(url: str) -> dict[int, float]:
    """What the days that are merged hold, counted back from today."""
    engine = create_engine(url)
    wanted = select(day_values.c.day, day_values.c.value).join(
        merged_days, merged_days.c.day == day_values.c.day
    )
    with engine.connect() as connection:
        found = {TODAY - day: value for day, value in connection.execute(wanted)}
    engine.dispose()
    return found


def test_a_sink_merges_closed_days_where_it_is_told_to(url: str) -> None:
    """By itself, after a write; not the present day, and no windows are taken away."""
    sink = SqlSink(url, merge_every_s=0)
    sink.write([window(3, 1, 1), window(3, 2, 2), window(0, 5)])
    assert merged(url) == {3: 3.0}
    sink.write([window(3, 4, 3)])
    assert merged(url) == {3: 7.0}
    sink.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert len(connection.execute(select(windows)).all()) == 4
    engine.dispose()


def test_a_sink_merges_nothing_unasked(url: str) -> None:
    """Only late windows take back that a day is merged."""
    merging = SqlSink(url, merge_every_s=0)
    merging.write([window(3, 1), window(2, 1)])
    assert merged(url) == {3: 1.0}  # a day at a time
    merging.write([window(0, 1)])
    SqlSink(url).write([window(3, 1, 1)])
    assert merged(url) == {2: 1.0}


def test_a_recorder_merges_by_its_setting(url: str) -> None:
    """A recorder merges unless it is told not to."""
    SqlSink(url).write([window(3, 1)])
    settings = RecorderSettings(store=SecretStr(url), on_sigterm=False)
    recorder = Recorder.open(settings)
    recorder.record(Series("e", "p", "v", "v", "asr", "hi"), 10.0)
    assert recorder.close()
    assert merged(url) == {3: 1.0}
