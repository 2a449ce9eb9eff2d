"""Recogniser: pocketsphinx with its US English model over a grammar.

Runs inside Triton's Python backend, too, beside its `model.py`: it imports nothing of this project.
"""

from __future__ import annotations

from collections.abc import Mapping

Search = Mapping[str, float | int | bool]
"""Options of pocketsphinx's search: the beams `beam`, `pbeam`, `wbeam` (probabilities: the smaller,
the wider), how many densities are looked at (`topn`) of which senones (`compallsen`: all), and of
which frames (`ds`: each n-th)."""


class Recogniser:
    """Hears one utterance at a time; not for several threads at once."""

    def __init__(self, grammar: str, search: Search) -> None:
        from pocketsphinx import Decoder  # noqa: PLC0415 - the extra `demo`

        self._decoder = Decoder(lm=None, loglevel="FATAL", samprate=16_000, **search)
        self._decoder.add_jsgf_string("commands", grammar)
        self._decoder.activate_search("commands")

    def transcribe(self, samples: bytes) -> str:
        """Hear 16-bit samples at 16 kHz, native byte order; gives the words, or nothing."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return str(found.hypstr) if found else ""
