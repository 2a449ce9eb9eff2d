"""Commands spoken by a real espeak-ng."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from openfeature_triton.dashboard.demo.grammar import GRAMMAR, word_accuracy
from openfeature_triton.dashboard.demo.recogniser import Recogniser
from openfeature_triton.dashboard.demo.recognisers import SEARCHES
from openfeature_triton.dashboard.demo.speech import SAMPLE_RATE_HZ, utterances

PRINT_DIGEST = """
import hashlib, sys
from openfeature_triton.dashboard.demo.speech import utterances
digest = hashlib.sha256()
for each in utterances(6, int(sys.argv[1])):
    digest.update(each.text.encode() + each.samples.tobytes())
print(digest.hexdigest())
"""


def digest(seed: int) -> str:
    """What a fresh process says."""
    return subprocess.check_output([sys.executable, "-c", PRINT_DIGEST, str(seed)], text=True)


def test_a_seed_speaks_the_same_again_and_another_does_not() -> None:
    """Two demos are asked the same, to the sample."""
    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_both_accents_are_spoken_at_a_length_that_speech_has() -> None:
    """INT16 at 16 kHz, some seconds of it, in both languages of the experiment."""
    spoken = list(utterances(20, 3))
    assert {each.language for each in spoken} == {"en-US", "en-GB"}
    for each in spoken:
        assert each.samples.dtype == np.int16
        assert 0.5 < each.samples.size / SAMPLE_RATE_HZ < 6
        assert np.abs(each.samples).max() > 1000


def test_what_is_spoken_can_be_heard() -> None:
    """The careful recogniser hears most words; else accuracy would be no fair question."""
    recogniser = Recogniser(GRAMMAR, SEARCHES["asr-careful"])
    accuracies = [
        word_accuracy(each.text, recogniser.transcribe(each.samples.tobytes()))
        for each in utterances(12, 4)
    ]
    assert sum(accuracies) / len(accuracies) > 0.8
