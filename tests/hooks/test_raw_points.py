"""Raw points: capped, and at times of their own."""

from __future__ import annotations

from openfeature_triton.hooks.outcomes import Outcome
from openfeature_triton.hooks.raw_points import RawPoints
from openfeature_triton.hooks.series import Series

ASR = Series("e", "p", "v", "v", "asr", "hi")
UNITS = {"output_words": "words"}


class Monotonic:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now_s


def outcomes(count: int) -> list[Outcome]:
    """Some good outcomes."""
    return [(10.0, "", {"output_words": 3}, None)] * count


def test_the_cap_holds_and_what_is_left_out_is_counted() -> None:
    """As many as a second allows; the next second allows as many again."""
    clock = Monotonic()
    raw = RawPoints(10, clock)
    assert len(raw.make(ASR, outcomes(25), UNITS, 0)) == 10
    assert raw.left_out == 15
    clock.now_s = 0.5
    assert len(raw.make(ASR, outcomes(25), UNITS, 0)) == 5
    assert raw.left_out == 35


def test_times_increase_whatever_the_wall_clock_does() -> None:
    """Also when it stands still or goes back: two points at one time would be one."""
    raw = RawPoints(1000, Monotonic())
    times = [
        point.time_ns
        for now_ns in (10**18, 10**18, 10**18 - 3600 * 10**9, 10**18 + 1)
        for point in raw.make(ASR, outcomes(10), UNITS, now_ns)
    ]
    assert times == sorted(set(times))


def test_a_point_says_what_the_inference_did() -> None:
    """Latency, success, the class of an error, custom metrics that are declared; all floats."""
    given: list[Outcome] = [
        (12, "", {"output_words": 3, "bogus": 1}, None),
        (5.0, "timeout", None, None),
        ("no number", "", None, None),
    ]
    points = RawPoints(10, Monotonic()).make(ASR, given, UNITS, 0)
    assert [point.fields for point in points] == [
        {"latency_ms": 12.0, "success": 1.0, "m_output_words": 3.0},
        {"latency_ms": 5.0, "success": 0.0, "error_class": "timeout"},
    ]
