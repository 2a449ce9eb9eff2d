"""English to Hindi or Tamil, word by word; what the dictionary lacks stays, or goes by sound."""

from __future__ import annotations

import re

_DICTIONARIES = {
    "hi": {
        "the": "",
        "a": "",
        "is": "है",
        "my": "मेरा",
        "name": "नाम",
        "this": "यह",
        "water": "पानी",
        "good": "अच्छा",
        "house": "घर",
        "book": "किताब",
        "and": "और",
    },
    "ta": {
        "the": "",
        "a": "",
        "is": "",
        "my": "என்",
        "name": "பெயர்",
        "this": "இது",
        "water": "தண்ணீர்",
        "good": "நல்ல",
        "house": "வீடு",
        "book": "புத்தகம்",
        "and": "மற்றும்",
    },
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SOUNDS = {
    "hi": dict(zip(_LETTERS, "ाबकदेफगहिजकलमनोपकरसतुववकीज", strict=True)),
    "ta": dict(zip(_LETTERS, "ாபகதெபகஹிஜகலமனொபகரசதுவவகிஜ", strict=True)),
}
_WORD = re.compile(r"[a-z]+")


def answer(skill: str, text: str, language: str) -> str:
    """Translate; ValueError for a language without a dictionary."""
    target = language.partition("-")[0]
    if target not in _DICTIONARIES:
        raise ValueError("no dictionary for this language")

    def translate(found: re.Match[str]) -> str:
        known = _DICTIONARIES[target].get(found[0])
        return known if known is not None else _unknown(skill, found[0], target)

    return " ".join(_WORD.sub(translate, text.lower()).split())


def _unknown(skill: str, word: str, target: str) -> str:
    if skill != "transliterate":
        return word
    return "".join(_SOUNDS[target][letter] for letter in word)
