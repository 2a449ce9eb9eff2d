"""All rules about one flag, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from openfeature_triton.flagd_config import (
    date_rules,
    document_rules,
    metadata_rules,
    planned_rules,
    split_rules,
    targeting_rules,
    traffic_rules,
    variant_rules,
)
from openfeature_triton.flagd_config.experiment import is_experiment
from openfeature_triton.flagd_config.findings import Draft

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.lint import Against

Steps = tuple[str | int, ...]


def check_rules(key: str, flag: Mapping[str, Any], against: Against) -> Iterator[Draft]:
    """Find what is wrong with a flag that flagd takes, `$ref`s resolved."""
    steps = ("flags", key)
    targeting = flag.get("targeting")
    yield from targeting_rules.check_targeting_is_rule(flag, steps)
    yield from targeting_rules.check_rule_shape(targeting, (*steps, "targeting"))
    yield from document_rules.check_types(flag, steps)
    yield from variant_rules.check_default(flag, steps)
    yield from split_rules.check_splits(flag, steps, against.bucketing)
    yield from variant_rules.check_reach(flag, steps)
    yield from targeting_rules.check_conditions(flag, steps, _task_types(against))
    if is_experiment(flag):
        yield from _check_experiment(key, flag, against)


def _check_experiment(key: str, flag: Mapping[str, Any], against: Against) -> Iterator[Draft]:
    steps = ("flags", key)
    metadata, where = flag["metadata"], (*steps, "metadata")
    yield from document_rules.check_tags(key, flag, steps)
    yield from variant_rules.check_variants(flag, steps)
    yield from variant_rules.check_control(flag, steps)
    yield from split_rules.check_number_of_splits(flag, steps)
    yield from planned_rules.check_planned_weights(flag, steps)
    yield from metadata_rules.check_keys(metadata, where)
    yield from metadata_rules.check_guardrails(metadata, where)
    yield from date_rules.check_dates(flag, steps, against.now)
    yield from planned_rules.check_planned_requests(flag, steps)
    if against.services is not None:
        yield from traffic_rules.check_services(flag, against.services, steps)


def _task_types(against: Against) -> tuple[str, ...]:
    known = (service.task_type for service in (against.services or {}).values())
    return tuple(dict.fromkeys((*against.task_types, *known)))
