"""Ramp: the whole weights that give some variants their shares, and the others what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openfeature_triton.flagd_config.errors import FlagFileError, Place

_SCALES = (1, 10, 100, 1000)
_EXACTLY = 1e-6


class ShareError(FlagFileError):
    """Shares that the variants of an experiment can't have."""


def new_weights(
    weights: Mapping[str, int], shares: Mapping[str, float], place: Place
) -> dict[str, int]:
    """Give weights of 100 in all, or more where a share is no whole number.

    `shares` are percentages of named variants; the others divide what is left as their `weights`
    stand to each other. Raises ShareError.
    """
    _check(weights, shares, place)
    rest = 100 - sum(shares.values())
    others = {name: weight for name, weight in weights.items() if name not in shares}
    if others and not any(others.values()):
        others = dict.fromkeys(others, 1)
    if not others and rest:
        raise ShareError(place, f"the shares add up to {100 - rest:g} %", "make it 100 %")
    whole = sum(others.values()) or 1
    exact = {name: shares.get(name, rest * others.get(name, 0) / whole) for name in weights}
    return _in_whole_numbers(exact)


def read_shares(texts: Iterable[str]) -> dict[str, float]:
    """Read shares such as `treatment=25%`, by variant; raises ShareError."""
    return dict(map(_read_share, texts))


def _read_share(text: str) -> tuple[str, float]:
    variant, _, share = text.rpartition("=")
    try:
        percent = float(share.strip().removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not variant or not 0 <= percent <= 100:
        raise ShareError(Place(text), "this is no share", "write e.g. treatment=25%")
    return variant, percent


def _check(weights: Mapping[str, int], shares: Mapping[str, float], place: Place) -> None:
    unknown = [name for name in shares if name not in weights]
    if unknown:
        names = ", ".join(weights)
        raise ShareError(place, f"{unknown[0]!r} is no variant", f"name one of: {names}")
    named = sum(shares.values())
    if any(share < 0 for share in shares.values()) or named > 100:
        raise ShareError(place, f"shares of {named:g} % can't be", "keep them within 0 to 100 %")


def _in_whole_numbers(exact: Mapping[str, float]) -> dict[str, int]:
    """Give percentages as the smallest weights that keep them, to a thousandth at most."""
    for scale in _SCALES:
        whole = {name: round(share * scale) for name, share in exact.items()}
        kept = all(abs(whole[name] - exact[name] * scale) < _EXACTLY for name in exact)
        if kept and sum(whole.values()) == 100 * scale:
            return whole
    return whole
