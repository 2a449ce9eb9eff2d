"""Tracking: what an OpenFeature tracking event says, as the recorder takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_triton.hooks import schema
from openfeature_triton.hooks.series import OTHER, Series, fit_tag
from openfeature_triton.hooks.sink import Point

INFERENCE = "inference"
EXPERIMENT_PHASE = "experiment_phase"
CREDIT = "credit"
BREAKER = "breaker"
CLOSED_BREAKER = "closed"

MAX_FIELD_LENGTH = 1_000_000
"""Of a text field, in bytes; InfluxDB refuses a longer one."""


class Inference(NamedTuple):
    """The arguments of `Recorder.record`, unchecked."""

    series: Series
    latency_ms: Any
    error_class: Any
    metrics: Any
    targeting_key: Any


def inference(context: EvaluationContext | None, details: TrackingEventDetails | None) -> Inference:
    """Read an `inference` event; what is missing is empty, or taken from the context.

    Attributes: experiment, phase, variant, served (the variant if missing), task_type, language,
    success, error_class, metrics, unit. The event's value is the latency in ms. The context's
    targeting key is taken where the unit is `user`.
    """
    given = _attributes(details)
    around = context.attributes if context is not None else {}
    variant = given.get("variant", "")
    tags: tuple[Any, ...] = (  # whatever they are, the recorder makes them fit
        given.get("experiment", ""),
        given.get("phase", ""),
        variant,
        given.get("served", variant),
        given.get("task_type", around.get("task_type", "")),
        given.get("language", around.get("language", "")),
    )
    error_class = given.get("error_class") or (OTHER if given.get("success") is False else "")
    latency_ms = details.value if details is not None else None
    key = context.targeting_key if context is not None and given.get("unit") == "user" else None
    return Inference(Series(*tags), latency_ms, error_class, given.get("metrics"), key)


def credit(details: TrackingEventDetails | None) -> tuple[Series, Mapping[str, object]]:
    """Read a `credit` event: custom metrics of a request that was recorded before.

    Attributes as those of `inference` that name a series, and metrics. ValueError without them.
    """
    given = _attributes(details)
    metrics = given.get("metrics")
    if not isinstance(metrics, Mapping) or not metrics:
        raise ValueError("a credit needs metrics")
    named: tuple[Any, ...] = tuple(given.get(name, "") for name in Series._fields)
    return Series(*named), dict(metrics)


def breaker(details: TrackingEventDetails | None) -> tuple[str, str]:
    """Read a `breaker` event: a service's id, and the state of its circuit breaker.

    ValueError if it names no service.
    """
    given = _attributes(details)
    service_id, state = (fit_tag(given.get(name, "")) for name in ("service_id", "state"))
    if service_id in ("", OTHER):
        raise ValueError("a breaker needs the id of its service")
    return service_id, state


def phase(details: TrackingEventDetails | None, time_ns: int) -> Point:
    """Read an `experiment_phase` event.

    ValueError if it names no experiment or phase, or a text is no text or too long.
    """
    given = _attributes(details)
    tags = tuple((name, fit_tag(given.get(name, ""))) for name in schema.PHASE_TAGS)
    if any(value in ("", OTHER) for _, value in tags):
        raise ValueError("a phase needs the ids of its experiment and of itself")
    return Point(
        schema.PHASE, tags, time_ns, {name: _text(given, name) for name in schema.PHASE_FIELDS}
    )


def _attributes(details: TrackingEventDetails | None) -> Mapping[str, object]:
    return details.attributes if details is not None else {}


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str) or "\0" in value or len(value.encode()) > MAX_FIELD_LENGTH:
        raise ValueError(f"{name} is no text of at most {MAX_FIELD_LENGTH} bytes")
    return str(value)
