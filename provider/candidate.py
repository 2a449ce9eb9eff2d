"""An experiment that may take a request, ready to be asked, and what it gives."""

from __future__ import annotations

from typing import Any, NamedTuple

from openfeature.flag_evaluation import Reason

from openfeature_triton.flagd_config import Experiment
from openfeature_triton.flagd_config.bucketing import Split, by_unit
from openfeature_triton.flagd_config.shipped import Shipped
from openfeature_triton.provider.compiled_flag import NO_METADATA, CompiledFlag, Metadata
from openfeature_triton.provider.guards import SETTLED, Guarded
from openfeature_triton.provider.language import PRIMARY
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.rule_node import NO_NAMES, Attributes, Run

_SAID = SETTLED | {PRIMARY}


class Assignment(NamedTuple):
    """What was chosen for a targeting key: the experiment that took it, and its variant.

    `forced` says that a rule before the split gave the variant, to a tester, say; `metadata` is
    the flag's. `phase` is empty where the experiment is concluded: the variant is its winner.
    """

    experiment: str
    phase: str
    variant: str
    service_id: str
    forced: bool = False
    metadata: Metadata = NO_METADATA


class Candidate:
    """An experiment, concluded or not, that may take a request: its flag, its rule without guards.

    `reads` says whether that rule looks at the request's task or language; `direct` gives an
    assignment, or None for no match, where the rule is but a split of targeting keys; `forced` are
    the assignments of those who get a variant without the split.
    """

    __slots__ = ("assignments", "direct", "flag", "forced", "guarded", "reads", "run")

    def __init__(
        self, experiment: Experiment | Shipped, flag: CompiledFlag, bucketing: str
    ) -> None:
        self.flag = flag
        self.guarded = flag.guarded or Guarded({}, _no_rule, None, NO_NAMES)
        self.run: Run = self.guarded.run
        names = self.guarded.names
        self.reads = names is None or not _SAID.isdisjoint(names) or flag.has_forced
        self.assignments = {
            variant: Assignment(
                experiment.key, experiment.phase, variant, service_id, metadata=flag.metadata
            )
            for variant, service_id in experiment.services.items()
        }
        self.forced = {
            variant: each._replace(forced=True)
            for variant, each in self.assignments.items()
            if flag.has_forced
        }
        split = self.guarded.split
        self.direct = None if split is None else self._direct(split, bucketing)

    def _direct(self, split: Split, bucketing: str) -> Run | None:
        """The split with assignments in the place of its variants."""
        if not all(name is None or name in self.assignments for name in split.variants):
            return None
        found = tuple(None if name is None else self.assignments[name] for name in split.variants)
        return by_unit(self.flag.key, Split(split.ends, found), v3=bucketing == "v3")

    def assign(self, result: Any) -> Assignment | RouteReason:
        """What a result of the rule, whatever its type, means for a request."""
        outcome = self.flag.outcome(result)
        if outcome.error_code is not None:
            return RouteReason.FLAG_ERROR
        if outcome.reason is Reason.TARGETING_MATCH and outcome.variant is not None:
            return self.assignments[outcome.variant]
        return RouteReason.NO_MATCH


def _no_rule(_: Attributes, __: str | None) -> Any:
    raise TypeError("the targeting is no rule")
