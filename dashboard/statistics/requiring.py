"""Requiring: what is given can be meant, or one line says what can't and what to write instead."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard


def require(so: object, said: str) -> None:
    """Raise ValueError with what is said, unless it is so."""
    if not so:
        raise ValueError(said)


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite number."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def is_positive(value: object) -> bool:
    """Say whether a value is a finite number above 0."""
    return is_number(value) and value > 0


def require_chances(alpha: object, power: object) -> None:
    """Hold that the chance of a false alarm, and that of finding the planned effect, are some."""
    said = f"alpha = {alpha!r} is no chance of a false alarm between 0 and 0.5, as 0.05"
    require(is_number(alpha) and 0 < alpha < 0.5, said)
    said = f"power = {power!r} is no chance of finding an effect between 0.5 and 1, as 0.8"
    require(is_number(power) and 0.5 <= power < 1, said)
