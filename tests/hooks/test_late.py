"""Marks of late windows."""

from __future__ import annotations

from openfeature_triton.hooks.late import GRACE_NS, NS_PER_DAY, late_marks, mark_lines

DAY = 20_000 * NS_PER_DAY


def test_windows_of_a_day_that_just_ended_are_in_time() -> None:
    """The last windows of a day are written after its end, and mark nothing."""
    assert late_marks([DAY + 7], DAY + NS_PER_DAY + GRACE_NS - 1, lambda _: 0) == []


def test_each_late_day_is_marked_once() -> None:
    """However many windows of it come, at a time inside of it."""
    now_ns = DAY + 3 * NS_PER_DAY
    times_ns = [DAY + 7, DAY + 8, DAY + NS_PER_DAY, now_ns]
    marks = late_marks(times_ns, now_ns, lambda below: below - 1)
    assert [mark.time_ns for mark in marks] == [DAY + NS_PER_DAY - 1, DAY + 2 * NS_PER_DAY - 1]


def test_two_marks_of_a_day_are_two_points() -> None:
    """Otherwise a second lot of late windows would not be noticed."""
    lines = [f"inference_light,experiment=a\\ b requests=1 {DAY}"]
    first, second = mark_lines(lines, DAY * 2), mark_lines(lines, DAY * 2)
    assert first != second
    assert first[0].startswith("late_windows mark=1i ")
