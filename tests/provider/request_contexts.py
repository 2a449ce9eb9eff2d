"""Contexts of requests drawn from a seed: the same ones in any environment, so stdlib alone."""

from __future__ import annotations

import random
from typing import Any

Drawn = tuple["str | None", dict[str, Any]]

# fmt: off
TEXTS = ("", "hi", "ta", "en-US", "gold", "free", "a@example.com", "b@example.org", "größe",
         "名前", "😀", "1", "1.0", "v1.2.3", "1.2.3-beta.1", "true", "null", "  hi  ")
VERSIONS = ("1.0.0", "1.2.3", "v2.0.0", "1.2.3-beta.1", "1.10.0", "2.0.0-rc.1", "0.9.9", "1.2", "3",
            "not a version", "", "1.2.3+build", "V1.2.3")
NUMBERS = (0, 1, -1, 2, 18, 42, 100, 0.5, 1.0, -2.5, 1e21, 2**63, 3.0000000001)
# fmt: on


def draw_contexts(count: int, seed: int = 20261124) -> list[Drawn]:
    """Targeting keys (some missing, empty or odd) with attributes (some missing)."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable draw, no secret
    return [_draw(chance, number) for number in range(count)]


def _draw(chance: random.Random, number: int) -> Drawn:
    return _targeting_key(chance, number), {
        name: draw(chance) for name, draw in _ATTRIBUTES.items() if chance.random() < 0.8
    }


def _targeting_key(chance: random.Random, number: int) -> str | None:
    drawn = chance.random()
    if drawn < 0.02:
        return None
    if drawn < 0.04:
        return ""
    if drawn < 0.1:
        return f"{chance.choice(TEXTS)}-ключ-{number}"
    if drawn < 0.12:
        return "x" * chance.choice((1, 22, 23, 24, 25, 255, 256, 300)) + str(number)
    return f"request-{number}"


def _value(chance: random.Random) -> Any:
    return chance.choice((chance.choice(TEXTS), chance.choice(NUMBERS), True, False, None))


def _list(chance: random.Random) -> list[Any]:
    return [_value(chance) for _ in range(chance.randrange(4))]


_ATTRIBUTES = {
    "language": lambda chance: chance.choice(TEXTS),
    "task_type": lambda chance: chance.choice(("nmt", "asr", "tts")),
    "tier": _value,
    "email": lambda chance: f"user{chance.randrange(1000)}@{chance.choice(('a.com', 'b.org'))}",
    "version": lambda chance: chance.choice(VERSIONS),
    "age": lambda chance: chance.choice(NUMBERS),
    "beta": lambda chance: chance.choice((True, False, None, "true", 1)),
    "tags": _list,
    "größe": _value,
    "名前": lambda chance: chance.choice(TEXTS),
    "user": lambda chance: {"name": chance.choice(TEXTS), "roles": _list(chance), "n": 7},
    "anything": _value,
}
