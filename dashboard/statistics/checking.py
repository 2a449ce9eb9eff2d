"""Checking: what was recorded can be what the plan speaks of, before anything is said of it.

A notebook's typing error would else be a plausible verdict. What a store holds is not checked: a
page shows what it can.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from openfeature_triton.dashboard.statistics.requiring import is_number, require
from openfeature_triton.dashboard.statistics.rollups import (
    LATENCY,
    QUANTILES,
    RATES,
    Cumulative,
    Plan,
)
from openfeature_triton.hooks import schema

_COUNTS = (schema.EXPOSURES, schema.REQUESTS, schema.ERRORS)
_FIELDS = (
    *_COUNTS,
    *(schema.LATENCY_SUM, schema.LATENCY_SUMSQ, schema.LATENCY_LN_SUM, schema.LATENCY_LN_SUMSQ),
    *map(schema.error_field, schema.ERROR_CLASSES),
)
_SIGNED = re.compile("m_.*_sum")
_ROUNDING = 1e-9

Bools = npt.NDArray[np.bool_]


def check(sums: Cumulative, plan: Plan, requests_per_day: float | None) -> None:
    """Raise ValueError, one line, at the first thing that can't be meant."""
    known = requests_per_day is None or (is_number(requests_per_day) and requests_per_day >= 0)
    require(known, f"requests_per_day = {requests_per_day!r} is no number from 0 up")
    if not sums.fields:
        return
    _check_names(sums, plan)
    _check_weights(sums, plan)
    _check_metrics(sums, plan)
    _check_sums(sums)


def _check_names(sums: Cumulative, plan: Plan) -> None:
    """Hold that fields are those that are recorded, and that what a comparison needs is there."""
    for name in sums.fields:
        if not _is_field(name):
            raise ValueError(f"the field {name!r} is never recorded{_like(name, _FIELDS)}")
    if sums.of(schema.REQUESTS)[-1].any():
        said = "no slice has 'exposures', so the split can't be checked"
        require(schema.EXPOSURES in sums.fields, f"{said}: give as many as requests if each is one")
    if plan.unit == "user" and not sums.is_by_user:
        by_user = any(map(schema.parse_cluster_field, sums.fields))
        require(
            not by_user, "users are counted in fields: give Slice(…, buckets=buckets_of(fields))"
        )


def _check_weights(sums: Cumulative, plan: Plan) -> None:
    """Hold that weights of each phase are known, and one of each variant in any."""
    for phase in sums.phases:
        said = f"plan.weights say nothing of the phase {phase!r}, so its split can't be checked"
        example = dict.fromkeys(sums.variants, 50)
        known = sum(plan.weights.get(phase, {}).values()) > 0
        require(known, f"{said}: give its own, as {{{phase!r}: {example}}}")
    named = {variant for each in plan.weights.values() for variant in each}
    for variant in sums.variants:
        if variant not in named:
            what = "plan.control" if variant == plan.control else "the variant"
            said = f"{what} {variant!r} has a weight in no phase"
            raise ValueError(f"{said}{_like(variant, sorted(named))}")


def _check_metrics(sums: Cumulative, plan: Plan) -> None:
    """Hold that the metrics that a plan names can be recorded, or were."""
    known = (*RATES, LATENCY, *QUANTILES, *sums.custom_metrics())
    guarded = [each.metric for each in plan.guardrails]
    for metric in (plan.primary_metric, *guarded, *plan.lower_is_better):
        if metric not in known:
            raise ValueError(f"the metric {metric!r} was not recorded{_like(metric, known)}")
    if plan.primary_metric in RATES and plan.minimum_effect is not None:
        said = f"minimum_effect = {plan.minimum_effect!r} is no share of requests"
        require(plan.minimum_effect < 1, f"{said}: 0.01 is one point of a rate")


def _check_sums(sums: Cumulative) -> None:
    """Hold that sums are finite, counts and squares not negative, and that errors are requests."""
    names = [*sums.fields]
    held = np.stack([sums.of(name) for name in names])
    _refuse(~np.isfinite(held[:, -1]), names, sums, "is no finite number")
    grown = np.diff(held, axis=1, prepend=0.0)
    shrinks = (grown < -_ROUNDING * np.abs(held)).any(axis=1)
    _refuse(shrinks & _counted(names), names, sums, "is negative in a slice")
    errors, requests = sums.of(schema.ERRORS), sums.of(schema.REQUESTS)
    more = (errors > requests * (1 + _ROUNDING)).any(axis=0, keepdims=True)
    _refuse(np.asarray(more), [schema.ERRORS], sums, "is more than its requests")
    bins = [schema.bin_field(int(each)) for each in sums.bins]
    counts = np.moveaxis(sums.counts, -1, 0)
    _refuse(~(np.isfinite(counts) & (counts >= 0)), bins, sums, "is no count")
    parts = [*sums.buckets]
    for part, each in zip(parts, sums.buckets.values(), strict=True):
        wrong = ~np.isfinite(each[-1]) | ((each[-1] < 0) & _counted([part]))
        _refuse(wrong.any(axis=-1)[None], [f"buckets[{part!r}]"], sums, "holds what is no sum")


def _counted(names: Sequence[str]) -> Bools:
    """Say which fields can't be negative: all but sums of logarithms and of custom metrics."""
    signed = [name == schema.LATENCY_LN_SUM or bool(_SIGNED.fullmatch(name)) for name in names]
    return ~np.array(signed, bool)[:, None, None]


def _refuse(wrong: Bools, names: Sequence[str], sums: Cumulative, said: str) -> None:
    """Raise ValueError at the first wrong one of fields by phase and variant, if there is one."""
    if wrong.any():
        name, phase, variant = np.argwhere(wrong)[0]
        where = f"{sums.variants[variant]!r} in phase {sums.phases[phase]!r}"
        raise ValueError(f"{names[name]} of {where} {said}")


def _is_field(name: str) -> bool:
    return name in _FIELDS or any(
        parse(name) is not None for parse in (schema.parse_metric_field, schema.parse_cluster_field)
    )


def _like(name: str, known: Sequence[str]) -> str:
    """Give what was probably meant, or what there is."""
    meant = get_close_matches(name, known, 1)
    return f": did you mean {meant[0]!r}?" if meant else f": there are {', '.join(known)}"
