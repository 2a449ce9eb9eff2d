from __future__ import annotations

import pickle

from openfeature_triton.flagd_config.errors import BrokenExperimentError, FlagFileError, Place

ERROR = BrokenExperimentError(
    Place("flags.json").at("flags", "nmt-x", "variants", "treatment"), "it is wrong", "do it right"
)


def test_message_names_file_flag_path_problem_and_advice() -> None:
    """An error says where, what is wrong and what to do, in one line."""
    assert str(ERROR) == (
        "flags.json: flag 'nmt-x', /flags/nmt-x/variants/treatment: it is wrong — do it right"
    )


def test_message_names_line_and_column() -> None:
    """A syntax error says line and column."""
    error = FlagFileError(Place("f.json"), "no JSON", "correct it", 3, 7)
    assert str(error) == "f.json: line 3, column 7: no JSON — correct it"


def test_hostile_keys_stay_one_harmless_line() -> None:
    """A flag key with line breaks and terminal escapes is shown escaped."""
    text = str(FlagFileError(Place("f").at("flags", "a\n\x1b[31m\ud800"), "p", "a"))
    assert text.isprintable()
    assert r"a\n\x1b[31m\ud800" in text


def test_error_survives_pickling() -> None:
    """A worker process can hand an error on with all that it knows."""
    copy = pickle.loads(pickle.dumps(ERROR))  # noqa: S301 our own bytes
    assert type(copy) is BrokenExperimentError
    assert copy.as_dict() == ERROR.as_dict()
