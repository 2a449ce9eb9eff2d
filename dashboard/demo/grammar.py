"""Grammar: the spoken commands that the demo's recognisers know. Pure."""

from __future__ import annotations

import random

_ROOMS = ("kitchen", "bedroom", "bathroom", "garage", "garden", "hallway", "office")
_THINGS = ("light", "lamp", "heater", "fan", "radio", "window", "door", "blind")
_NUMBERS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy"),
)
_MUSIC = ("jazz", "rock", "blues", "soul", "folk", "news")

GRAMMAR = f"""#JSGF V1.0;
grammar commands;
<room> = {" | ".join(_ROOMS)};
<thing> = {" | ".join(_THINGS)};
<number> = {" | ".join(_NUMBERS)};
<music> = {" | ".join(_MUSIC)};
public <command> = turn ( on | off ) the <room> <thing>
  | ( open | close ) the <room> <thing>
  | set the <room> <thing> to <number> percent
  | play some <music> in the <room>
  | wake me in <number> minutes;
"""
"""All commands, in JSGF."""


def command(choice: random.Random) -> str:
    """Draw a command of the grammar."""
    room, thing = choice.choice(_ROOMS), choice.choice(_THINGS)
    return choice.choice(
        (
            f"turn {choice.choice(('on', 'off'))} the {room} {thing}",
            f"{choice.choice(('open', 'close'))} the {room} {thing}",
            f"set the {room} {thing} to {choice.choice(_NUMBERS)} percent",
            f"play some {choice.choice(_MUSIC)} in the {room}",
            f"wake me in {choice.choice(_NUMBERS)} minutes",
        )
    )


def word_accuracy(spoken: str, heard: str) -> float:
    """Give 1 − the word error rate, at least 0: the share of words that were heard right.

    The word error rate is the Levenshtein distance, in words, over the number of words spoken.
    """
    said, got = spoken.split(), heard.split()
    above = list(range(len(got) + 1))
    for row, word in enumerate(said, start=1):
        here = [row]
        for column, other in enumerate(got, start=1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (word != other)))
        above = here
    return max(0.0, 1.0 - above[-1] / len(said)) if said else float(not got)
