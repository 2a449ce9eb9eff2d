"""Which experiments a request is offered to, found by what it says instead of asking each.

An experiment whose guards allow it only some texts of an attribute can't take a request that says
another text, or nothing. So those guarded by the same attribute are kept by its texts. A request
that says a number there, a boolean or a list may compare equal to a text all the same, and is
offered to everyone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.candidate import Assignment, Candidate
from openfeature_triton.provider.guards import SETTLED
from openfeature_triton.provider.rule_node import Attributes, Run

# A candidate's place, what is asked of it first (its rule, its assignments by variant), and it.
Offer = tuple[int, Run, Callable[[Any], "Assignment | None"], Candidate]

_FEW = 8


class Offers:
    """Candidates in the order in which a request is offered to them.

    `reads` says whether any of them looks at the request's task or language.
    """

    def __init__(self, candidates: Sequence[Candidate], give_way: GiveWay) -> None:
        everyone: list[Offer] = []
        self.reads = False
        for place, each in enumerate(candidates):
            give_way()
            everyone.append((place, each.run, each.assignments.get, each))
            self.reads = self.reads or each.reads
        self.everyone = tuple(everyone)
        self._always: list[Offer] = []
        self._by_text: dict[str, dict[str, list[Offer]]] = {}
        if len(candidates) > _FEW:
            self._index(give_way)

    @property
    def only(self) -> Candidate | None:
        """The candidate, if there is but one."""
        return self.everyone[0][3] if len(self.everyone) == 1 else None

    def to(self, attributes: Attributes) -> Sequence[Offer]:
        """Those that may take a request which says this; the others surely do not."""
        if not self._by_text:
            return self.everyone
        found = self._always
        for name, by_text in self._by_text.items():
            said = attributes.get(name)
            if type(said) is str:
                some = by_text.get(said)
                if some:
                    found = sorted(found + some) if found else some
            elif said is not None:
                return self.everyone
        return found

    def _index(self, give_way: GiveWay) -> None:
        sizes: Counter[tuple[str, str]] = Counter()
        for _, _, _, candidate in self.everyone:
            give_way()
            sizes.update(_texts(candidate))
        for offer in self.everyone:
            give_way()
            name = _most_telling(offer[3], sizes)
            if name is None:
                self._always.append(offer)
                continue
            by_text = self._by_text.setdefault(name, {})
            for text in offer[3].guarded.allowed[name]:
                by_text.setdefault(text, []).append(offer)


def _texts(candidate: Candidate) -> list[tuple[str, str]]:
    """The attributes by which a candidate can be found, with their texts."""
    allowed = candidate.guarded.allowed
    return [(name, text) for name in allowed if name not in SETTLED for text in allowed[name]]


def _most_telling(candidate: Candidate, sizes: Mapping[tuple[str, str], int]) -> str | None:
    """The attribute by whose texts a candidate is found together with the fewest others."""
    total: dict[str, int] = {}
    for name, text in _texts(candidate):
        total[name] = total.get(name, 0) + sizes[name, text]
    return min(total, key=total.__getitem__, default=None)
