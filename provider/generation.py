"""Does the server split requests as we do? Asked, because nothing else tells.

The generations of flagd's bucketing hash give half of all keys another variant while the totals
look the same. So: find keys that v2 and v3 send to different variants of a live experiment, ask
the server for them, and compare.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal

from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config import Document, Experiment
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.compiled_flag import CompiledFlag
from openfeature_triton.provider.evaluation_servers import EvaluationServer

KEYS = 3
TRIED = 200
EXPERIMENTS = 50
_OTHER = {"v2": "v3", "v3": "v2"}
_NO_METADATA: Mapping[str, str] = MappingProxyType({})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GenerationCheck:
    """What asking the server gave: `same`, `other`, or `unknown` where it could not be told."""

    found: Literal["same", "other", "unknown"]
    message: str


class GenerationGuard:
    """Keeps what was found out about the server's generation.

    Args:
        server: who is asked; None where there is nobody to ask.
        strict: whether another generation stops all experiments here.
    """

    def __init__(self, server: EvaluationServer | None, *, strict: bool) -> None:
        self._server = server
        self._strict = strict
        self._found: GenerationCheck | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the server was asked and could not tell."""
        return self._found is not None and self._found.found == "unknown"

    @property
    def stops(self) -> bool:
        """Whether no flag may be in force."""
        return self._strict and self.complaint is not None

    @property
    def complaint(self) -> str | None:
        """What an operator has to mend, None where nothing is known to be wrong."""
        if self._found is None or self._found.found != "other":
            return None
        stopped = "; strict: every request goes to its caller's own service"
        return self._found.message + (stopped if self._strict else "")

    def look(self, document: Document, *, again: bool = False) -> GenerationCheck:
        """Ask the server, unless it is known to be of our generation."""
        if self._server is None:
            return GenerationCheck("unknown", "there is no server to ask")
        if self._found is None or self._found.found != "same" or again:
            self._found = check_generation(document, self._server)
            _log.info("bucketing: %s", self._found.message)
        return self._found


def check_generation(document: Document, server: EvaluationServer) -> GenerationCheck:
    """Compare the server's variants with ours for keys that the other generation splits otherwise.

    Asks a few times at most, and stops at the first experiment that tells.
    """
    ours, other = document.bucketing, _OTHER[document.bucketing]
    give_way = GiveWay()
    live = (each for each in document.experiments.values() if each.enabled)
    for experiment in islice(live, EXPERIMENTS):
        asked = 0
        votes = {"same": 0, "other": 0}
        flag = document.flags[experiment.key]
        for context, mine, its in _telling(experiment, flag, (ours, other), give_way):
            variant = server.variant(experiment.key, context)
            if variant is None:
                return GenerationCheck("unknown", "the server gives no variant by OFREP or RPC")
            asked += 1
            votes["same"] += variant == mine
            votes["other"] += variant == its
        if asked and votes["same"] == asked:
            return GenerationCheck("same", f"the server splits by {ours}, as we do")
        if asked and votes["other"] == asked:
            return GenerationCheck("other", _advice(ours, other, experiment.key))
    return GenerationCheck("unknown", "no live experiment tells the generations apart")


def _telling(
    experiment: Experiment,
    flag: Mapping[str, Any],
    bucketings: tuple[str, str],
    give_way: GiveWay,
) -> Iterator[tuple[EvaluationContext, str, str]]:
    """Give a few contexts for which the generations differ, with both variants."""
    ours, theirs = (CompiledFlag(experiment.key, flag, _NO_METADATA, each) for each in bucketings)
    says = {
        "task_type": experiment.task_type,
        "language": experiment.languages[0] if experiment.languages else "",
    }
    found = 0
    for number in range(TRIED):
        give_way()
        key = f"generation-check-{number}"
        one, two = ours.evaluate(says, key).variant, theirs.evaluate(says, key).variant
        if one is not None and two is not None and one != two:
            yield EvaluationContext(key, dict(says)), one, two
            found += 1
            if found == KEYS:
                return


def _advice(ours: str, servers: str, key: str) -> str:
    return (
        f"the server splits experiment {key!r} by bucketing {servers}, this service by {ours}: "
        f"half of all requests get another variant than elsewhere — set OFT_BUCKETING={servers}"
    )
