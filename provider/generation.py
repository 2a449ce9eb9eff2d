"""Does the server split requests as we do? Asked, because nothing else tells.

The generations of flagd's bucketing hash give half of all keys another variant while the totals
look the same. So: find keys that v2 and v3 send to different variants of a live experiment, ask
the server for them, and compare.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from urllib.parse import quote

from openfeature.evaluation_context import EvaluationContext

from openfeature_triton.flagd_config import Document, Experiment
from openfeature_triton.provider.evaluator import Evaluator, evaluate

KEYS = 3
TRIED = 200
_OTHER = {"v2": "v3", "v3": "v2"}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EvaluationServer(Protocol):
    """A server that evaluates flags by itself."""

    def variant(self, flag_key: str, context: EvaluationContext, /) -> str | None:
        """The variant that it gives; None if it gives none or can't be asked."""


class Ofrep:
    """A server that speaks OFREP, such as flagd.

    Args:
        url: where it is, e.g. "http://localhost:8016".
        timeout_s: for one answer.
    """

    def __init__(self, url: str, timeout_s: float = 0.5) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    def variant(self, flag_key: str, context: EvaluationContext) -> str | None:
        """The variant that the server gives; None if it gives none or can't be asked."""
        said = {"context": {**context.attributes, "targetingKey": context.targeting_key}}
        request = urllib.request.Request(  # noqa: S310 - the operator's own URL
            f"{self._url}/ofrep/v1/evaluate/flags/{quote(flag_key, safe='')}",
            json.dumps(said).encode(),
            {"content-type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=self._timeout_s) as answer:
                variant = json.load(answer).get("variant")
        except (OSError, ValueError, AttributeError):
            return None
        return variant if isinstance(variant, str) else None


@dataclass(frozen=True, slots=True)
class GenerationCheck:
    """What asking the server gave: `same`, `other`, or `unknown` where it could not be told."""

    found: Literal["same", "other", "unknown"]
    message: str


def check_generation(document: Document, server: EvaluationServer) -> GenerationCheck:
    """Compare the server's variants with ours for keys that the other generation splits otherwise.

    Asks a few times at most, and stops at the first experiment that tells.
    """
    other = _OTHER[document.bucketing]
    evaluators = Evaluator(document), Evaluator(replace(document, bucketing=other))
    for experiment in document.experiments.values():
        asked = 0
        votes = {"same": 0, "other": 0}
        for context, ours, theirs in _telling(experiment, *evaluators):
            variant = server.variant(experiment.key, context)
            if variant is None:
                return GenerationCheck("unknown", "the server gives no variant over OFREP")
            asked += 1
            votes["same"] += variant == ours
            votes["other"] += variant == theirs
        if asked and votes["same"] == asked:
            return GenerationCheck("same", f"the server splits by {document.bucketing}, as we do")
        if asked and votes["other"] == asked:
            return GenerationCheck("other", _advice(document.bucketing, other, experiment.key))
    return GenerationCheck("unknown", "no live experiment tells the generations apart")


def _telling(
    experiment: Experiment, ours: Evaluator, theirs: Evaluator
) -> Iterator[tuple[EvaluationContext, str, str]]:
    """Give a few contexts for which the generations differ, with both variants."""
    if not experiment.enabled:
        return
    language = experiment.languages[0] if experiment.languages else ""
    found = 0
    for number in range(TRIED):
        context = EvaluationContext(
            f"generation-check-{number}", {"task_type": experiment.task_type, "language": language}
        )
        one, two = (
            evaluate(each.flags[experiment.key], context).variant for each in (ours, theirs)
        )
        if one is not None and two is not None and one != two:
            yield context, one, two
            found += 1
            if found == KEYS:
                return


def _advice(ours: str, servers: str, key: str) -> str:
    return (
        f"the server splits experiment {key!r} by bucketing {servers}, this service by {ours}: "
        f"half of all requests get another variant than elsewhere — set OFT_BUCKETING={servers}"
    )
