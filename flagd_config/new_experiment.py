"""New: an experiment written as a flag that lint finds nothing in, from what an operator says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config import audit
from openfeature_triton.flagd_config.dates import Dates, condition_of, iso
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.edit import EditRefusedError, edit_flag, is_yaml, write_first
from openfeature_triton.flagd_config.errors import Place
from openfeature_triton.flagd_config.flag_layout import (
    json_document,
    json_lines,
    yaml_document,
    yaml_lines,
)
from openfeature_triton.flagd_config.flag_text import FlagText
from openfeature_triton.flagd_config.life_cycle import DRAFT
from openfeature_triton.flagd_config.lint import Against
from openfeature_triton.flagd_config.offers import offered
from openfeature_triton.flagd_config.planned_rules import rate_variances

RATES = ("success_rate", "error_rate")
LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """What an operator says of an experiment; `services` and `weights` are by variant.

    `metadata` is what goes into the flag as it is.
    """

    key: str
    task_type: str
    languages: tuple[str, ...]
    control: str
    services: Mapping[str, str]
    weights: Mapping[str, int]
    dates: Dates = field(default_factory=Dates)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_flag(self) -> dict[str, Any]:
        """Give the flag of a draft: DISABLED, its split guarded by task type and languages."""
        said = {key: value for key, value in self.metadata.items() if value not in (None, "")}
        dates = {
            name: iso(moment)
            for name, moment in (("start", self.dates.start), ("end", self.dates.end))
            if moment is not None
        }
        own = {"experiment": True, "task_type": self.task_type, "control": self.control}
        return {
            "state": "DISABLED",
            "variants": {name: {"service": each} for name, each in self.services.items()},
            "defaultVariant": None,
            "targeting": self._targeting(),
            "metadata": {**own, **said, **dates, "status": DRAFT},
        }

    def _targeting(self) -> dict[str, Any]:
        guards: list[Any] = [{"==": [{"var": "task_type"}, self.task_type]}]
        if self.languages:
            guards.append({"in": [{"var": "language"}, list(self.languages)]})
        guard = guards[0] if len(guards) == 1 else {"and": guards}
        split = {"fractional": [[name, weight] for name, weight in self.weights.items()]}
        rule = {"if": [guard, split]}
        return {"if": [condition_of(self.dates), rule]} if self.dates else rule


def plan_requests(metric: str, effect: float, spread: float, weights: Mapping[str, int]) -> int:
    """Give how many requests in all find an effect, however often one looks.

    Args:
        metric: the primary metric.
        effect: the smallest effect worth finding, in the metric's unit; a share for `latency`.
        spread: of a rate, the rate of control; else the standard deviation of one request, for
            `latency` of its natural logarithm.
        weights: the split; its smallest share has the longest to wait.
    """
    variances = rate_variances(spread, effect) if metric in RATES else (spread**2, spread**2)
    size = math.log1p(effect) if metric == LATENCY else effect
    per_arm: int = offered("requests_per_arm")(size, *variances)
    used = [weight for weight in weights.values() if weight]
    return math.ceil(per_arm * sum(used) / min(used))


def write_experiment(path: Path, new: NewExperiment, reason: str, against: Against) -> audit.Entry:
    """Write an experiment into a flag file, first of its flags, or into a new file.

    Raises EditRefusedError where there is such a flag, or where lint finds anything in it.
    """
    flag = new.as_flag()
    if not path.exists():
        document = yaml_document if is_yaml(path) else json_document
        content = document(new.key, flag).encode()
        return write_first(path, new.key, content, against, command="new", reason=reason)

    def edit(text: FlagText, document: Document) -> None:
        _demand_free(path, document, new.key)
        lines = yaml_lines(flag) if is_yaml(path) else json_lines(flag)
        text.add_flag(new.key, flag, lines)

    return edit_flag(path, new.key, edit, against, command="new", reason=reason, strict=True)


def _demand_free(path: Path, document: Document, key: str) -> None:
    refused = {error.flag_key for error in document.refused}
    if key in document.flags or key in refused:
        raise EditRefusedError(
            Place(str(path)).at("flags", key), "there is such a flag already", "take another key"
        )
