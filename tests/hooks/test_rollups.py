"""Running totals in windows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.memory_sink import MemorySink
from openfeature_triton.hooks.rollups import Rollups

WIDTHS = {schema.LIGHT: 10, schema.LATENCY: 60}
A = (("experiment", "a"),)
B = (("experiment", "b"),)


def counting_offsets() -> Rollups:
    """Make rollups whose offsets count up from 1."""
    drawn = iter(range(1, 1000))
    return Rollups(WIDTHS, lambda _: next(drawn))


def test_a_point_is_written_again_at_its_running_total() -> None:
    """Within a window the same point grows, and only what changed is written."""
    rollups = counting_offsets()
    rollups.turn_to(105)
    rollups.add(schema.LIGHT, A, {"requests": 2.0, "errors": 1.0})
    (first,) = rollups.changed()
    assert (first.time_ns, first.fields) == (101, {"requests": 2.0, "errors": 1.0})
    rollups.settle()
    rollups.add(schema.LIGHT, A, {"requests": 3.0})
    (second,) = rollups.changed()
    assert (second.time_ns, second.fields) == (101, {"requests": 5.0})


def test_what_is_settled_is_not_written_again() -> None:
    """Nothing changed means nothing to write, and past windows are forgotten."""
    rollups = counting_offsets()
    rollups.turn_to(105)
    rollups.add(schema.LIGHT, A, {"requests": 2.0})
    assert rollups.settle() == 2
    assert list(rollups.changed()) == []
    rollups.turn_to(115)
    assert len(rollups) == 0


def test_a_past_window_is_kept_until_it_is_delivered() -> None:
    """While writing fails, each window keeps its own totals, and they leave oldest first."""
    rollups = counting_offsets()
    for now_ns in (105, 115, 125):
        rollups.turn_to(now_ns)
        rollups.add(schema.LIGHT, A, {"requests": 1.0})
    assert [point.time_ns for point in rollups.changed()] == [101, 111, 121]
    assert rollups.settle() == 3
    assert len(rollups) == 1


def test_windows_of_which_points_were_dropped_begin_anew() -> None:
    """As points of their own, from nought; windows that came later go on."""
    rollups = counting_offsets()
    rollups.turn_to(105)
    rollups.add(schema.LIGHT, A, {"requests": 2.0})
    rollups.settle()
    rollups.leave(0)
    assert len(rollups) == 1
    rollups.leave(101)
    rollups.add(schema.LIGHT, A, {"requests": 3.0})
    (point,) = rollups.changed()
    assert (point.time_ns, point.fields) == (102, {"requests": 3.0})


def test_a_clock_that_goes_back_makes_another_writer() -> None:
    """After a step back, totals that begin at nought can't overwrite delivered ones."""
    rollups, sink = counting_offsets(), MemorySink()
    for now_ns in (105, 165, 105):
        rollups.turn_to(now_ns)
        rollups.add(schema.LIGHT, A, {"requests": 1.0})
        sink.write(list(rollups.changed()))
        rollups.settle()
    assert sink.total(schema.LIGHT, "requests") == 3
    assert len(sink.points) == 3


def test_shedding_drops_the_oldest_past_windows_and_says_what_they_stood_for() -> None:
    """Beyond the bound the oldest go, with the outcomes that the store had not heard of."""
    rollups = counting_offsets()
    rollups.turn_to(105)
    rollups.add(schema.LIGHT, A, {"requests": 5.0})
    rollups.settle()
    rollups.add(schema.LIGHT, A, {"requests": 2.0})
    rollups.turn_to(115)
    rollups.add(schema.LIGHT, A, {"requests": 1.0})
    rollups.turn_to(125)
    rollups.add(schema.LIGHT, A, {"requests": 1.0})
    assert rollups.shed(keep=2) == (1, 2)
    assert [point.time_ns for point in rollups.changed()] == [111, 121]


def test_the_present_windows_are_never_shed() -> None:
    """However low the bound, what is being counted goes on being counted."""
    rollups = counting_offsets()
    rollups.turn_to(105)
    rollups.add(schema.LIGHT, A, {"requests": 5.0})
    assert rollups.shed(keep=0) == (0, 0)
    assert len(list(rollups.changed())) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.integers(0, 400)),
        st.tuples(st.just("add"), st.sampled_from([A, B])),
        st.tuples(st.just("write"), st.booleans()),
    ),
    max_size=60,
)


@given(steps)
def test_a_store_ends_up_with_every_increment_once(given_steps: list[tuple[str, object]]) -> None:
    """Whatever the clock does and however often writing fails, nothing is lost or counted twice."""
    rollups, sink = counting_offsets(), MemorySink()
    expected: Counter[object] = Counter()
    rollups.turn_to(0)
    for what, value in given_steps:
        if what == "turn":
            rollups.turn_to(value)  # type: ignore[arg-type]
        elif what == "add":
            for measurement in WIDTHS:
                rollups.add(measurement, value, {"requests": 1.0})  # type: ignore[arg-type]
            expected[value] += 1
        elif what == "write":
            sink.write(list(rollups.changed()))
            if value:  # else the answer was lost, and all is written again
                rollups.settle()
    sink.write(list(rollups.changed()))
    for tags in (A, B):
        for measurement in WIDTHS:
            assert sink.total(measurement, "requests", **dict(tags)) == expected[tags]
