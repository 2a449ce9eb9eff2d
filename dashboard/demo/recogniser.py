"""Two real speech recognisers that differ in how widely they search.

Runs inside Triton's Python backend, too, beside its `model.py`: it imports nothing of this project.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

GRAMMAR = """#JSGF V1.0;
grammar commands;
public <command> = <turn> | <set> | <play> | <ask>;
<turn> = turn (on | off) the (light | heater | fan | radio)
         in the (kitchen | bedroom | garden | hall);
<set> = set (a timer | an alarm) for (two | five | ten | fifteen | fifty) (minutes | hours);
<play> = play some (quiet | loud | happy | sad) music;
<ask> = what is the (time | weather | news | date);
"""

BEAMS: dict[str, dict[str, Any]] = {
    "asr-careful": {"beam": 1e-80, "wbeam": 1e-60, "pbeam": 1e-80, "topn": 16, "maxhmmpf": -1},
    "asr-fast": {"beam": 1e-30, "wbeam": 1e-20, "pbeam": 1e-30, "ds": 2, "topn": 2},
}


class Recogniser:
    """pocketsphinx with its US English model over a grammar of spoken commands."""

    def __init__(self, name: str) -> None:
        from pocketsphinx import Decoder, get_model_path  # noqa: PLC0415 - the extra `demo`

        model = Path(get_model_path()) / "en-us"
        with tempfile.NamedTemporaryFile("w", suffix=".gram") as grammar:
            grammar.write(GRAMMAR)
            grammar.flush()
            self._decoder = Decoder(
                hmm=str(model / "en-us"),
                dict=str(model / "cmudict-en-us.dict"),
                jsgf=grammar.name,
                loglevel="FATAL",
                **BEAMS[name],
            )

    def transcribe(self, samples: bytes) -> str:
        """Hear 16-bit samples at 16 kHz, native byte order; the words, or nothing."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return found.hypstr if found else ""
