"""Assigner: where each of many targeting keys goes in one version of a flag file.

The conditions of a slice of task type and language are evaluated once; only the split is done for
each key, with numpy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openfeature_triton.flagd_config.bucketing import (
    hash_v2,
    hash_v3,
    make_split,
    unit_hash_v2,
    unit_hash_v3,
)
from openfeature_triton.flagd_config.dates import take_dates
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.explain import Explanation, explain_flag
from openfeature_triton.flagd_config.operators import OPERATORS
from openfeature_triton.flagd_config.reference import evaluate
from openfeature_triton.flagd_config.targeting import Operation, operation, operations

Places = npt.NDArray[np.int64]
Keys = npt.NDArray[np.bool_]
Place = tuple[str, str]  # key and variant of an experiment, both empty outside of experiments

_UNIT = object()  # what a split without a rule hashes
_NO_KEY = "\0"


class Assigner:
    """Says where the keys go in a slice of one version.

    Looks at a moment, in seconds since 1970, or at each flag while its dates let it take requests.
    """

    def __init__(self, document: Document, keys: Sequence[str], at: int | None = None) -> None:
        self._document = document
        self._at = at
        self._keys = keys
        self._hashes: dict[str, Places] = {}

    def places(self, task_type: str, language: str) -> list[tuple[Place, Keys]]:
        """Give the places of a slice with the keys that go there; every key goes to one place."""
        left = np.ones(len(self._keys), dtype=bool)
        found = []
        context = {"task_type": task_type, "language": language}
        for offer in self._document.offers_of(task_type):
            for variant, goes in self._variants(offer.key, context):
                found.append(((offer.key, variant), goes & left))
                left &= ~goes
        return [*found, (("", ""), left)]

    def _variants(self, key: str, context: Mapping[str, Any]) -> Iterator[tuple[str, Keys]]:
        """Give which keys each variant of a flag takes, of all keys."""
        by = _hashed(self._document.flags[key].get("targeting"))
        probe = self._explain(key, context, self._keys[0])
        bucket = probe.trace.bucket
        hashes = None if by is None or bucket is None else self._hash(key, by, probe.context)
        if by is None or (bucket is not None and hashes is None):
            yield from self._one_by_one(key, context)
        elif bucket is not None and hashes is not None:
            yield from self._split(hashes, bucket.weights)
        elif probe.variant is not None:
            yield probe.variant, np.ones(len(self._keys), dtype=bool)

    def _explain(self, key: str, context: Mapping[str, Any], targeting_key: str) -> Explanation:
        dates, _ = take_dates(self._document.flags[key].get("targeting"))
        moment = dates.inside(int(time.time())) if self._at is None else self._at
        context = {**context, "targetingKey": targeting_key}
        return explain_flag(self._document, key, context, timestamp=moment)

    @staticmethod
    def _split(hashes: Places, weights: Sequence[tuple[Any, int]]) -> Iterator[tuple[str, Keys]]:
        split = make_split([weight for _, weight in weights], [name for name, _ in weights])
        if split is None:
            return
        chosen = np.searchsorted(np.array(split.ends), hashes, side="right")
        for name in dict.fromkeys(split.variants):
            if name is not None:
                wanted = [i for i, each in enumerate(split.variants) if each == name]
                yield str(name), np.isin(chosen, wanted)

    def _hash(self, flag_key: str, by: Any, context: Mapping[str, Any]) -> Places | None:
        """Give the hash of each key; None where it isn't that of a text made of it."""
        v3 = self._document.bucketing == "v3"
        hash_of: Callable[[str], int | None] | None
        if by is _UNIT:
            hash_of, name = (unit_hash_v3 if v3 else unit_hash_v2)(flag_key), flag_key
        else:
            text = self._text(flag_key, by, context)
            hash_of, name = None, ""
            if text is not None:
                hash_of = _hash_of(hash_v3 if v3 else hash_v2, text)
                name = f"{flag_key} {text(_NO_KEY)}"
        if hash_of is None:
            return None
        if name not in self._hashes:
            self._hashes[name] = np.fromiter(
                (hash_of(key) or 0 for key in self._keys), dtype=np.int64, count=len(self._keys)
            )
        return self._hashes[name]

    def _text(
        self, flag_key: str, by: Any, context: Mapping[str, Any]
    ) -> Callable[[str], str] | None:
        """Give what makes the text that is hashed of a key: the key, or `cat` of it and texts."""
        if _is_key(by):
            return str
        found, bucketing = operation(by), self._document.bucketing
        if found is None or found.name != "cat":
            return None
        parts = [
            _UNIT if _is_key(each) else evaluate(each, context, flag_key, bucketing)
            for each in found.arguments
        ]
        cat = OPERATORS[bucketing]["cat"]
        if not all(part is _UNIT or isinstance(part, str) for part in parts):
            return None
        return lambda key: str(cat({}, *(key if part is _UNIT else part for part in parts)))

    def _one_by_one(self, key: str, context: Mapping[str, Any]) -> Iterator[tuple[str, Keys]]:
        """Explain each key: the targeting looks at the key itself."""
        names = [self._explain(key, context, each).variant for each in self._keys]
        for name in dict.fromkeys(names):
            if name is not None:
                yield name, np.array([each == name for each in names])


def _hashed(targeting: Any) -> Any:
    """Give what a split hashes: the unit, a rule, or None where more than that looks at the key."""
    found = list(operations(targeting))
    splits = [each for each in found if each.name == "fractional"]
    by: Any = _UNIT
    steps: tuple[str | int, ...] = ()
    for each in splits:
        first = each.arguments[0] if each.arguments else []
        if not isinstance(first, list):
            if len(splits) > 1:
                return None
            by, steps = first, (*each.steps, 0)
    outside = (each for each in found if not steps or each.steps[: len(steps)] != steps)
    return None if any(map(_looks_at_key, outside)) else by


def _looks_at_key(found: Operation) -> bool:
    if found.name in ("missing", "missing_some"):
        return True
    name = found.arguments[0] if found.arguments else ""
    known = isinstance(name, str) and name and name.split(".")[0] != "targetingKey"
    return found.name == "var" and not known


def _is_key(rule: Any) -> bool:
    found = operation(rule)
    return found is not None and found.name == "var" and found.arguments == ["targetingKey"]


def _hash_of(
    hash_text: Callable[[str], int | None], text: Callable[[str], str]
) -> Callable[[str], int | None]:
    return lambda key: hash_text(text(key))
