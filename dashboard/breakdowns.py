"""Breakdowns: an experiment's totals by variant, language, day and latency."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.definitions import Definition
from openfeature_triton.dashboard.phases import in_order
from openfeature_triton.dashboard.store import Totals
from openfeature_triton.dashboard.summary import Numbers
from openfeature_triton.hooks import schema


@dataclass(frozen=True, slots=True)
class Slice:
    """The numbers of each variant in one language or on one day."""

    name: str
    variants: Mapping[str, Numbers]


SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
"""Of which shares of the requests a curve's numbers are told in a table."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The latency distribution of a variant: `share[i]` of its requests took ≤ `latency_ms[i]`.

    `quantiles_ms` are those of `SHARES`.
    """

    variant: str
    latency_ms: tuple[float, ...]
    share: tuple[float, ...]
    quantiles_ms: tuple[float, ...]


def by_variant(definition: Definition, totals: Iterable[Totals]) -> dict[str, tuple[Totals, ...]]:
    """Sort totals by variant, the control first."""
    return in_order(definition, summary.group(totals, lambda each: each.variant))


def by_slice(
    definition: Definition, totals: Iterable[Totals], key: Callable[[Totals], str]
) -> tuple[Slice, ...]:
    """Give the numbers of each variant in each slice that `key` names, in its order."""
    return tuple(
        Slice(name, {v: summary.numbers(own) for v, own in by_variant(definition, members).items()})
        for name, members in sorted(summary.group(totals, key).items())
    )


def fallback_count(totals: Iterable[Totals]) -> int:
    """Count the requests that another variant answered than the one assigned."""
    fallen = [each.fields for each in totals if each.served != each.variant]
    return int(sum(fields.get(schema.REQUESTS, 0.0) for fields in fallen))


def latency_curves(variants: Mapping[str, Iterable[Totals]]) -> tuple[Curve, ...]:
    """Give the latency distribution of each variant that has one."""
    curves = []
    for variant, totals in variants.items():
        held = summary.latencies(totals)
        latency_ms, share = held.curve()
        if latency_ms:
            quantiles_ms = held.quantiles_ms(SHARES)
            curves.append(Curve(variant, tuple(latency_ms), tuple(share), quantiles_ms))
    return tuple(curves)
