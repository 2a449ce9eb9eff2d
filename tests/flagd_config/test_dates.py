from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.flagd_config import Document, FlagFileError, example, read_document
from openfeature_triton.flagd_config.dates import (
    Dates,
    condition_of,
    iso,
    read_seconds,
    take_dates,
    wrapped_rule,
)
from openfeature_triton.flagd_config.explain import explain_flag
from openfeature_triton.flagd_config.life_cycle import conclude, schedule, step
from openfeature_triton.flagd_config.lint import lint_file
from openfeature_triton.flagd_config.reference import evaluate

KEYS = {"nmt": "nmt-indictrans3", "ner": "ner-span-model"}
START, END = 1_796_119_200, 1_798_711_200
MOMENT: Any = {"var": "$flagd.timestamp"}
SPLIT: Any = {"fractional": [["control", 50], ["treatment", 50]]}
TASK: Any = {"==": [{"var": "task_type"}, "nmt"]}
BEFORE_9: Any = {"<": [MOMENT, 9]}
FROM_7: Any = {"and": [TASK, {">=": [MOMENT, 7]}, TASK]}

moments = st.none() | st.integers(0, 4_000_000_000)


@pytest.fixture(params=["nmt", "ner"], ids=["json", "yaml"])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example file to work on, in each format."""
    source = example(request.param)
    return Path(shutil.copy(source, tmp_path / source.name))


def _variant(document: Document, key: str, moment: int) -> str | None:
    experiment = document.experiments[key]
    language = next(iter(experiment.languages), "")
    context = {"task_type": experiment.task_type, "language": language, "targetingKey": "u1"}
    return explain_flag(document, key, context, timestamp=moment).variant


@given(moments, moments, st.integers(0, 4_000_000_000))
@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_a_condition_holds_between_the_dates(
    bucketing: str, start: int | None, end: int | None, moment: int
) -> None:
    """What is written is what evaluators obey, to the second, and what is read back."""
    dates = Dates(start, end)
    if not dates:
        return
    rule = {"if": [condition_of(dates), "treatment"]}
    given_ = evaluate(rule, {}, "f", bucketing, moment)
    assert (given_ == "treatment") == dates.hold(moment)
    assert take_dates(rule) == (dates, "treatment")
    if dates.are_possible and dates.inside(moment) >= 0:
        assert dates.hold(dates.inside(moment))


@pytest.mark.parametrize(
    ("rule", "dates", "rest"),
    [
        (SPLIT, Dates(), SPLIT),
        ({"if": [TASK, SPLIT]}, Dates(), {"if": [TASK, SPLIT]}),
        ({"if": [{">=": [MOMENT, 5]}, SPLIT]}, Dates(5), SPLIT),
        ({"if": [{">": [MOMENT, 5.5]}, SPLIT, None]}, Dates(6), SPLIT),
        ({"if": [{"<=": [MOMENT, 5]}, SPLIT]}, Dates(None, 6), SPLIT),
        ({"if": [{"and": [TASK, BEFORE_9]}, SPLIT]}, Dates(None, 9), {"if": [TASK, SPLIT]}),
        (
            {
                "if": [
                    {">=": [MOMENT, 5]},
                    {"if": [{"and": [TASK, {">=": [MOMENT, 7]}, TASK]}, SPLIT]},
                ]
            },
            Dates(7),
            {"if": [{"and": [TASK, TASK]}, SPLIT]},
        ),
        # These decide between variants, and are part of the split.
        ({"if": [{"<": [MOMENT, 5]}, "control", SPLIT]}, Dates(), None),
        ({"if": [{"or": [TASK, {"<": [MOMENT, 5]}]}, SPLIT]}, Dates(), None),
        ({"if": [{"<": [MOMENT, {"var": "end"}]}, SPLIT]}, Dates(), None),
        ({"if": [{"<": [MOMENT, 1_796_119_200_000]}, SPLIT]}, Dates(), None),
    ],
)
def test_dates_are_told_from_the_rest(rule: Any, dates: Dates, rest: Any) -> None:
    """Only what guards all of a rule by the moment alone is a date."""
    assert take_dates(rule) == (dates, rule if rest is None else rest)


def test_dates_open_no_phase(flags: Path) -> None:
    """Who gets which variant stays, so a later end goes on in the same phase."""
    key = KEYS[flags.stem]
    before = read_document(flags).experiments[key]
    schedule(flags, key, Dates(START, END), "")
    once = read_document(flags).experiments[key]
    schedule(flags, key, Dates(end=END + 3600), "longer")
    twice = read_document(flags).experiments[key]
    assert before.phase == once.phase == twice.phase
    assert (once.dates, twice.dates) == (Dates(START, END), Dates(START, END + 3600))
    assert (twice.metadata["start"], twice.metadata["end"]) == (iso(START), iso(END + 3600))
    assert once.languages == before.languages


def test_each_moment_is_obeyed(flags: Path) -> None:
    """Before the start and from the end on nobody is in the experiment."""
    key = KEYS[flags.stem]
    plain = _variant(read_document(flags), key, START)
    schedule(flags, key, Dates(START, END), "")
    document = read_document(flags)
    seen = [_variant(document, key, moment) for moment in (START - 1, START, END - 1, END)]
    assert seen == [None, plain, plain, None]
    assert plain is not None


def test_a_start_may_have_dates(flags: Path) -> None:
    """A draft is started to begin later and to end by itself, and lint finds nothing in it."""
    key = KEYS[flags.stem]
    flags.write_text(flags.read_text().replace("ENABLED", "DISABLED"))
    step(flags, key, "start", "", dates=Dates(START, END))
    found = read_document(flags).experiments[key]
    assert (found.enabled, found.dates) == (True, Dates(START, END))
    assert lint_file(flags).clean


def test_an_impossible_end_is_refused(flags: Path) -> None:
    """An end before the start leaves the file as it was."""
    key = KEYS[flags.stem]
    schedule(flags, key, Dates(start=START), "")
    before = flags.read_bytes()
    with pytest.raises(FlagFileError, match="is not before the end"):
        schedule(flags, key, Dates(end=START - 1), "")
    assert flags.read_bytes() == before


def test_dates_between_other_conditions_are_left_to_their_writer(tmp_path: Path) -> None:
    """What somebody wrote by hand is obeyed and shown, and not edited."""
    document = json.loads(example("nmt").read_text())
    rule = document["flags"][KEYS["nmt"]]["targeting"]["if"]
    rule[0]["and"].insert(0, {"<": [MOMENT, END]})
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(document))
    assert read_document(path).experiments[KEYS["nmt"]].dates == Dates(end=END)
    with pytest.raises(FlagFileError, match="between other conditions"):
        schedule(path, KEYS["nmt"], Dates(end=END + 1), "")


def test_a_winner_has_no_end(flags: Path) -> None:
    """Concluding takes the dates away: the winner does not stop on the day of the old end."""
    key, winner = KEYS[flags.stem], "control"
    schedule(flags, key, Dates(START, END), "")
    conclude(flags, key, winner, "")
    targeting = read_document(flags).flags[key]["targeting"]
    assert take_dates(targeting)[0] == Dates()
    assert wrapped_rule(targeting) is None
    assert "$flagd.timestamp" not in flags.read_text()


def test_explain_says_when(tmp_path: Path) -> None:
    """Out of its dates, an experiment says so."""
    path = Path(shutil.copy(example("nmt"), tmp_path / "flags.json"))
    schedule(path, KEYS["nmt"], Dates(START, END), "")
    context = {"task_type": "nmt", "language": "hi", "targetingKey": "u1"}
    found = explain_flag(read_document(path), KEYS["nmt"], context, timestamp=END)
    assert found.why.startswith(f"it takes requests only from {iso(START)} until {iso(END)}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-12-24", 1_798_070_400),
        ("2026-12-24T00:00:00Z", 1_798_070_400),
        ("2026-12-24T05:30:00+05:30", 1_798_070_400),
        ("soon", None),
        ("1969-01-01", None),
        (5, None),
    ],
)
def test_dates_as_people_write_them(text: Any, seconds: int | None) -> None:
    """ISO 8601, UTC where no zone is named."""
    assert read_seconds(text) == seconds
