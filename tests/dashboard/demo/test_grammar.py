"""The commands, and how well they were heard."""

from __future__ import annotations

import random

import pytest

from openfeature_triton.dashboard.demo.grammar import GRAMMAR, command, word_accuracy
from openfeature_triton.dashboard.demo.recogniser import Recogniser
from openfeature_triton.dashboard.demo.recognisers import SEARCHES


@pytest.mark.parametrize(
    ("spoken", "heard", "accuracy"),
    [
        ("turn on the light", "turn on the light", 1.0),
        ("turn on the light", "turn off the light", 0.75),
        ("turn on the light", "turn the light", 0.75),
        ("turn on the light", "please turn on the light", 0.75),
        ("turn on the light", "", 0.0),
        ("go", "this is something else", 0.0),
        ("light the on turn", "turn on the light", 0.0),
        ("", "", 1.0),
        ("", "noise", 0.0),
    ],
)
def test_accuracy_is_one_minus_the_word_error_rate(
    spoken: str, heard: str, accuracy: float
) -> None:
    """Substitutions, deletions and insertions count the same, over the words spoken."""
    assert word_accuracy(spoken, heard) == accuracy


@pytest.mark.parametrize("name", SEARCHES)
def test_the_recognisers_take_the_grammar_and_know_its_words(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both recognisers load the grammar, and hear nothing in silence."""
    recogniser = Recogniser(GRAMMAR, SEARCHES[name])
    assert recogniser.transcribe(bytes(2 * 16_000)) == ""
    assert capfd.readouterr().err == ""


def test_each_command_is_of_the_grammars_words() -> None:
    """No word is spoken that no recogniser could hear."""
    known = set(GRAMMAR.replace("|", " ").replace(";", " ").split())
    choice = random.Random(1)  # noqa: S311 - a repeatable draw, no secret
    commands = {command(choice) for _ in range(500)}
    assert len(commands) > 200
    assert {word for each in commands for word in each.split()} <= known
