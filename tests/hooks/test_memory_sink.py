"""The in-memory double."""

from __future__ import annotations

import pytest

from openfeature_triton.hooks import MemorySink, Point

TAGS = (("experiment", "a"), ("variant", "control"))


def test_a_later_value_replaces_an_earlier_one() -> None:
    """A field written twice counts once, and fields of one point are kept together."""
    sink = MemorySink()
    sink.write([Point("m", TAGS, 1, {"x": 1.0, "y": 5.0})])
    sink.write([Point("m", TAGS, 1, {"x": 3.0}), Point("m", TAGS, 2, {"x": 10.0})])
    assert sink.total("m", "x") == 13
    assert sink.total("m", "y", variant="control") == 5
    assert sink.total("m", "x", variant="treatment") == 0


def test_it_fails_on_request() -> None:
    """A test can let writing fail for a while."""
    sink = MemorySink()
    sink.failure = OSError("no")
    with pytest.raises(OSError, match="no"):
        sink.write([Point("m", TAGS, 1, {"x": 1.0})])
    assert sink.points == {}
