"""dashboard.statistics: from merged rollups to a verdict that holds however often one looks.

Law: pure. Numbers in, numbers out; no I/O, no clock, nothing of the project but the names under
which numbers are recorded.

In a notebook:

    >>> from openfeature_triton.dashboard.statistics import Plan, Slice, summarize
    >>> recorded = [
    ...     Slice(0, "487dff1f", arm, {"exposures": 20_000, "requests": 20_000, "errors": errors})
    ...     for arm, errors in (("control", 900), ("treatment", 540))
    ... ]
    >>> plan = Plan(control="control", weights={"487dff1f": {"control": 50, "treatment": 50}},
    ...             primary_metric="success_rate", minimum_effect=0.01, planned_requests=40_000)
    >>> analysis = summarize(recorded, plan)
    >>> analysis.verdict.kind
    'Ship'
    >>> analysis.to_dict()["variants"][0]["primary"]["effect"]["value"] > 0
    True
"""

from openfeature_triton.dashboard.statistics.analysis import primary_effects, summarize
from openfeature_triton.dashboard.statistics.buckets import buckets_of
from openfeature_triton.dashboard.statistics.guardrails import Guardrail, GuardrailResult
from openfeature_triton.dashboard.statistics.planner import days_left, requests_per_arm
from openfeature_triton.dashboard.statistics.results import (
    Analysis,
    Effect,
    MetricResult,
    SplitResult,
    Step,
    VariantResult,
)
from openfeature_triton.dashboard.statistics.rollups import Plan, Slice
from openfeature_triton.dashboard.statistics.verdict import Verdict

__all__ = [
    "Analysis",
    "Effect",
    "Guardrail",
    "GuardrailResult",
    "MetricResult",
    "Plan",
    "Slice",
    "SplitResult",
    "Step",
    "VariantResult",
    "Verdict",
    "buckets_of",
    "days_left",
    "primary_effects",
    "requests_per_arm",
    "summarize",
]
