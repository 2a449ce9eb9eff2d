"""Assigner: where each of many targeting keys goes in one version of a flag file.

The conditions of a slice of task type and language are evaluated once; only the split is done for
each key, with numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openfeature_triton.flagd_config.bucketing import make_split, unit_hash_v2, unit_hash_v3
from openfeature_triton.flagd_config.dates import take_dates
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.explain import Explanation, explain_flag
from openfeature_triton.flagd_config.targeting import operations

Places = npt.NDArray[np.int64]
Keys = npt.NDArray[np.bool_]
Place = tuple[str, str]  # key and variant of an experiment, both empty outside of experiments

_ANY_MOMENT = 1_764_000_000


class Assigner:
    """Says where the keys go in a slice of one version, at a moment or while each flag's dates are.

    The moment is in seconds since 1970.
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
        targeting = self._document.flags[key].get("targeting")
        if _depends_on_key(targeting):
            yield from self._one_by_one(key, context)
            return
        probe = self._explain(key, context, self._keys[0])
        if probe.trace.bucket is not None:
            yield from self._split(key, probe.trace.bucket.weights)
        elif probe.variant is not None:
            yield probe.variant, np.ones(len(self._keys), dtype=bool)

    def _explain(self, key: str, context: Mapping[str, Any], targeting_key: str) -> Explanation:
        dates, _ = take_dates(self._document.flags[key].get("targeting"))
        moment = dates.inside(_ANY_MOMENT) if self._at is None else self._at
        context = {**context, "targetingKey": targeting_key}
        return explain_flag(self._document, key, context, timestamp=moment)

    def _split(self, key: str, weights: Sequence[tuple[Any, int]]) -> Iterator[tuple[str, Keys]]:
        split = make_split([weight for _, weight in weights], [name for name, _ in weights])
        if split is None:
            return
        hashes = self._hash(key)
        chosen = np.searchsorted(np.array(split.ends), hashes, side="right")
        for name in dict.fromkeys(split.variants):
            if name is not None:
                wanted = [i for i, each in enumerate(split.variants) if each == name]
                yield str(name), np.isin(chosen, wanted)

    def _hash(self, flag_key: str) -> Places:
        if flag_key not in self._hashes:
            v3 = self._document.bucketing == "v3"
            hash_of = (unit_hash_v3 if v3 else unit_hash_v2)(flag_key)
            self._hashes[flag_key] = np.fromiter(
                (hash_of(key) or 0 for key in self._keys), dtype=np.int64, count=len(self._keys)
            )
        return self._hashes[flag_key]

    def _one_by_one(self, key: str, context: Mapping[str, Any]) -> Iterator[tuple[str, Keys]]:
        """Explain each key: the targeting looks at the key itself."""
        names = [self._explain(key, context, each).variant for each in self._keys]
        for name in dict.fromkeys(names):
            if name is not None:
                yield name, np.array([each == name for each in names])


def _depends_on_key(targeting: Any) -> bool:
    """Whether targeting does more with the key than to split by flag key and key."""
    return any(
        (found.name == "var" and found.arguments[:1] in (["targetingKey"], [""], []))
        or (found.name == "fractional" and not isinstance(found.arguments[0], list))
        or found.name in ("missing", "missing_some")
        or (found.name == "var" and not isinstance(found.arguments[0], str))
        for found in operations(targeting)
    )
