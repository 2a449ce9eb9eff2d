"""Reference: a rule evaluated by `json_logic` with flagd's operators, as the reference does it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from json_logic import jsonLogic

from openfeature_triton.flagd_config.operators import OPERATORS


def rule_data(
    context: Mapping[str, Any], flag_key: str, timestamp: int | None = None
) -> dict[str, Any]:
    """Give the data that a rule sees of a context, which holds its `targetingKey` if it has one."""
    now = int(time.time()) if timestamp is None else timestamp
    return {
        **context,
        "$flagd": {"flagKey": flag_key, "timestamp": now},
        "targetingKey": context.get("targetingKey"),
    }


def evaluate(
    rule: Any,
    context: Mapping[str, Any],
    flag_key: str,
    bucketing: str,
    timestamp: int | None = None,
) -> Any:
    """Give what a rule gives in a context; raises whatever the rule provokes."""
    data = rule_data(context, flag_key, timestamp)
    return jsonLogic(rule, data, OPERATORS[bucketing])
