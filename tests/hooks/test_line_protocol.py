"""Line protocol, held against what InfluxDB's own client writes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point as ForeignPoint

from openfeature_triton.hooks import Point
from openfeature_triton.hooks.line_protocol import line

TEXT = st.text(st.characters(codec="utf-8"))
NAME = st.text(st.characters(codec="utf-8"), min_size=1)
VALUE = st.one_of(TEXT, st.floats(), st.integers(-(2**63), 2**63 - 1))


@given(
    NAME.filter(lambda name: not name.startswith("#")),  # a comment
    st.dictionaries(NAME, TEXT, max_size=4),
    st.dictionaries(NAME, VALUE, min_size=1, max_size=4),
    st.integers(0, 2**62),
)
def test_a_line_is_what_the_official_client_writes(
    measurement: str, tags: dict[str, str], fields: dict[str, float | int | str], time_ns: int
) -> None:
    """Whatever characters and numbers a point holds, byte for byte."""
    foreign = ForeignPoint(measurement).time(time_ns)
    for name, tag in tags.items():
        foreign.tag(name, tag)
    for name, value in fields.items():
        foreign.field(name, value)
    point = Point(measurement, tuple(tags.items()), time_ns, fields)
    assert line(point) == foreign.to_line_protocol()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b", r"a\ b"),
        ("a,b=c", r"a\,b\=c"),
        ("two\nlines", r"two\nlines"),
        ('say "x"', r"say\ " + '"x"'),
        ("back\\", "back\\ "),
        ("\ud800", "?"),
    ],
)
def test_a_tag_value_never_breaks_its_line(value: str, written: str) -> None:
    """Spaces, commas, quotes, backslashes, line breaks and lone surrogates."""
    assert line(Point("m", (("t", value),), 1, {"f": 1.0})) == f"m,t={written} f=1 1"


def test_text_fields_are_quoted() -> None:
    """Quotes and backslashes are escaped; line breaks may stay; lone surrogates are replaced."""
    written = line(Point("m", (), 1, {"f": 'a"b\\c\nd\udfff'}))
    assert written == 'm f="a\\"b\\\\c\nd?" 1'


def test_a_number_that_is_not_finite_is_left_out() -> None:
    """InfluxDB would refuse the whole batch for it."""
    assert line(Point("m", (), 1, {"a": math.nan, "b": 2.5})) == "m b=2.5 1"
    assert line(Point("m", (), 1, {"a": math.inf})) == ""
