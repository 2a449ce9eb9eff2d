"""Dead letters: what InfluxDB refused, and for how many outcomes."""

from __future__ import annotations

import json
from pathlib import Path

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.dead_letters import DeadLetters
from openfeature_triton.hooks.spool import Spooled


def refused(requests: float, outcomes: int) -> Spooled:
    """A window at its running total."""
    fields = json.dumps({schema.REQUESTS: requests})
    return Spooled(1, 0, "inference_light,experiment=e", 1, fields, outcomes, False, False)


def test_a_newer_value_of_a_letter_adds_its_outcomes(tmp_path: Path) -> None:
    """And is what is sent again."""
    letters = DeadLetters(tmp_path)
    letters.add([refused(3.0, 3)], 422, "no")
    letters.add([refused(5.0, 2)], 422, "no")
    (letter,) = letters.all()
    assert (json.loads(letter.fields), letter.outcomes) == ({schema.REQUESTS: 5.0}, 5)


def test_a_letter_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """Its process was killed before the spool heard of it, and the next one sent it again."""
    letters = DeadLetters(tmp_path)
    letters.add([refused(3.0, 3)], 422, "no")
    letters.add([refused(3.0, 3)], 422, "no")
    (letter,) = letters.all()
    assert letter.outcomes == 3
