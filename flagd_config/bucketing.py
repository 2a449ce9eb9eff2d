"""The two generations of flagd's bucketing: from a value to a 32-bit hash, and from it to a share.

v3: `openfeature-flagd-core` 2, the hash of canonical CBOR (RFC 7049). v2: flagd 0.15 to 0.16.1 and
`openfeature-flagd-core` 1, the hash of text. Where those two differ, v2 is flagd's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cbor2
from mmh3 import mmh3_32_uintdigest
from openfeature.contrib.tools.flagd.core.targeting.custom_ops import normalize_numbers

MAX_WEIGHT_SUM = 2**31 - 1
_MIN_INT64 = -(2**63)
_SHORT_TEXT = 256
_MAX_ELEMENTS = 2

HashOf = Callable[[Any], "int | None"]


class Split(NamedTuple):
    """A split ready to be asked: the hash of each share's end, and what each share gives."""

    ends: tuple[int, ...]
    variants: tuple[Any, ...]

    def variant(self, hashed: int) -> Any:
        """What the share gives into which a hash falls."""
        return self.variants[bisect_right(self.ends, hashed)]


def make_split(weights: Sequence[int], variants: Sequence[Any]) -> Split | None:
    """A split of whole weights ≥ 0, or None if flagd takes none: a sum of 0, or above 2³¹ - 1.

    flagd compares (hash · sum) >> 32 with the sum so far; that is hash < ⌈so far · 2³² / sum⌉.
    """
    total = sum(weights)
    if not 0 < total <= MAX_WEIGHT_SUM:
        return None
    ends, so_far = [], 0
    for weight in weights:
        so_far += weight
        ends.append(-(-(so_far << 32) // total))
    return Split(tuple(ends), tuple(variants))


# v3


def _text_head(size: int) -> bytes:
    """The head of a CBOR text of so many bytes."""
    return cbor2.dumps("x" * size)[:-size] if size else cbor2.dumps("")


_TEXT_HEADS = tuple(_text_head(size) for size in range(_SHORT_TEXT))


def hash_v3(value: Any) -> int | None:
    """The hash of any value's canonical CBOR; None for None and for what CBOR can't hold."""
    if type(value) is str:
        return hash_text_v3(b"", value)
    if value is None:
        return None
    try:
        return mmh3_32_uintdigest(cbor2.dumps(normalize_numbers(value), canonical=True))
    except Exception:  # noqa: BLE001 - as the reference: whatever can't be encoded has no bucket
        return None


def hash_text_v3(before: bytes, text: str) -> int | None:
    """The hash of some bytes and a text's CBOR; None for half of a surrogate pair."""
    try:
        return mmh3_32_uintdigest(before + _text(text))
    except UnicodeEncodeError:
        return None


def _text(text: str) -> bytes:
    """A text's CBOR; `cbor2.dumps` takes ten times as long."""
    encoded = text.encode()
    size = len(encoded)
    return (_TEXT_HEADS[size] if size < _SHORT_TEXT else cbor2.dumps(text)[:-size]) + encoded


def unit_hash_v3(flag_key: str) -> HashOf:
    """The hash of a targeting key for one flag: the CBOR of [flag key, targeting key]."""
    before = b"\x82" + _text(flag_key)

    def hash_of(targeting_key: Any) -> int | None:
        """The hash of one targeting key; None for what is none."""
        if not targeting_key or not isinstance(targeting_key, str):
            return None
        return hash_text_v3(before, targeting_key)

    return hash_of


def by_unit(flag_key: str, split: Split, *, v3: bool) -> Callable[[Any, Any], Any]:
    """A split by the targeting key as one function of (attributes, targeting key)."""
    return (_by_unit_v3 if v3 else _by_unit_v2)(flag_key, split)


def _by_unit_v3(flag_key: str, split: Split) -> Callable[[Any, Any], Any]:
    before, (ends, variants) = b"\x82" + _text(flag_key), split

    def run(_: Any, targeting_key: Any) -> Any:
        """What the share gives into which a targeting key falls; None for what is no key."""
        if not targeting_key:
            return None
        hashed: int | None
        try:
            encoded = targeting_key.encode()
            hashed = mmh3_32_uintdigest(before + _TEXT_HEADS[len(encoded)] + encoded)
        except (AttributeError, IndexError, UnicodeEncodeError):  # no text, a long one, half a pair
            is_text = isinstance(targeting_key, str)
            hashed = hash_text_v3(before, targeting_key) if is_text else None
        return None if hashed is None else variants[bisect_right(ends, hashed)]

    return run


def split_v3(shares: Sequence[Any]) -> Split | None:
    """Read evaluated shares as v3 does: one or two items, whole weights, 1 where omitted."""
    weights = []
    for share in shares:
        if not isinstance(share, (list, tuple)) or not 1 <= len(share) <= _MAX_ELEMENTS:
            return None
        weight = share[1] if len(share) == _MAX_ELEMENTS else 1
        if isinstance(weight, bool) or not isinstance(weight, int):
            return None
        weights.append(max(0, weight))
    return make_split(weights, [share[0] for share in shares])


# v2


def hash_v2(text: str) -> int:
    """The hash of a text's UTF-8."""
    return mmh3_32_uintdigest(text.encode())


def unit_hash_v2(flag_key: str) -> HashOf:
    """The hash of a targeting key for one flag: the flag's key and it, joined."""
    before, digest = flag_key.encode(), mmh3_32_uintdigest

    def hash_of(targeting_key: Any) -> int | None:
        """The hash of one targeting key; None for what is none."""
        if not targeting_key or not isinstance(targeting_key, str):
            return None
        return digest(before + targeting_key.encode())

    return hash_of


def _by_unit_v2(flag_key: str, split: Split) -> Callable[[Any, Any], Any]:
    before, (ends, variants) = flag_key.encode(), split

    def run(_: Any, targeting_key: Any) -> Any:
        """What the share gives into which a targeting key falls; None for what is no key."""
        if not targeting_key or not isinstance(targeting_key, str):
            return None
        hashed = mmh3_32_uintdigest(before + targeting_key.encode())
        return variants[bisect_right(ends, hashed)]

    return run


def split_v2(shares: Sequence[Any]) -> Split | None:
    """Read evaluated shares as v2 does: whole weights, 50.0 too; 1 where omitted or null."""
    weights = []
    for share in shares:
        if not isinstance(share, (list, tuple)) or not share:
            return None
        if not isinstance(share[0], (str, bool, int, float, type(None))):
            return None
        weight = _weight_v2(share[1] if len(share) > 1 else None)
        if weight is None:
            return None
        weights.append(weight)
    return make_split(weights, [share[0] for share in shares])


def _weight_v2(weight: Any) -> int | None:
    """A weight as flagd reads it, None for one that rejects the split."""
    if weight is None:
        return 1
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        return None
    if not _MIN_INT64 <= weight <= MAX_WEIGHT_SUM or weight != int(weight):
        return None
    return max(0, int(weight))
