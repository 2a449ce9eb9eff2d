"""Counted: a number and what it is of, as a person says it."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Give `1 flag` and `2,000 flags`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
