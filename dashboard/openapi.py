"""OpenAPI: what machines may ask of the dashboard, as a document (version 3.1)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from openfeature_triton.dashboard.intake import Batch

_TIME = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": ["number", "null"]}
_OBJECT = {"type": "object"}


def openapi() -> dict[str, Any]:
    """Give the document; its schema of a batch is made from the model that checks it."""
    batch = Batch.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = batch.pop("$defs", {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "openfeature-triton dashboard",
            "version": version("openfeature-triton"),
            "description": "Experiments' numbers, and a place to report outcomes to.",
        },
        "paths": _paths(),
        "security": [{}, {"token": []}],
        "components": {
            "schemas": {**parts, "Batch": batch, **_schemas()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "openfeature-triton dashboard token add NAME",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    key = _parameter("key", "path", {"type": "string", "minLength": 1}, "the flag's key")
    phase = _parameter("phase", "query", {"type": "string"}, "only this phase")
    day = {"type": "string", "format": "date"}
    part = [
        key,
        phase,
        _parameter("start", "query", day, "only from this day of UTC on"),
        _parameter("end", "query", day, "only to this day of UTC, and with it"),
    ]
    by = {"type": "string", "enum": ["day", "hour", "total"], "default": "day"}
    narrowed = [
        key,
        _parameter("variant", "query", {"type": "string"}, "only this variant"),
        _parameter("phase", "query", {"type": "string"}, "only this phase"),
        _parameter("start", "query", _TIME, "from here on, widened to a whole hour"),
        _parameter("end", "query", _TIME, "until before here; a date means to its end"),
        _parameter("by", "query", by, "one line per day, per hour, or one in all"),
    ]
    csv = {
        "200": _text("text/csv", "A line per variant and period."),
        **_problems(400, 401, 404, 503),
    }
    return {
        "/api/experiments": _get("All experiments.", [], "Experiments", 401, 503),
        "/api/experiments/{key}": _get("One experiment.", part, "Report", 400, 401, 404, 503),
        "/api/experiments/{key}/metrics": _get(
            "Its numbers by variant and date.", narrowed, "Metrics", 400, 401, 404, 503
        ),
        "/api/experiments/{key}/metrics.csv": {
            "get": {"summary": "The same as CSV.", "parameters": narrowed, "responses": csv}
        },
        "/api/pipeline": _get("How recording goes.", [], "Pipeline", 401, 503),
        "/api/track": {"post": _track()},
        "/api/openapi.json": _get("This document.", [], "Document"),
        "/metrics": {
            "get": {
                "summary": "Counters for Prometheus.",
                "responses": {
                    "200": _text("text/plain", "Text format 0.0.4."),
                    "401": _text("text/html", "Sign in, or send a token."),
                    "503": _text("text/html", "The store can't be read."),
                },
            }
        },
    }


def _track() -> dict[str, Any]:
    batch = {"$ref": "#/components/schemas/Batch"}
    return {
        "summary": "Report outcomes, all of which are taken, or none.",
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": batch}}},
        "responses": {
            "204": {"description": "Taken: written within seconds, best effort."},
            "401": {"description": "No token that may track."},
            "429": {
                "description": "Too much; come again after so many seconds.",
                "headers": {"Retry-After": {"schema": {"type": "integer"}}},
            },
            **_problems(400, 413, 415, 422, 503),
        },
    }


def _get(summary: str, parameters: list[Any], schema: str, *problems: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    responses = {"200": {"description": summary, "content": content}, **_problems(*problems)}
    return {"get": {"summary": summary, "parameters": parameters, "responses": responses}}


def _parameter(name: str, place: str, schema: Any, says: str) -> dict[str, Any]:
    required = place == "path"
    return {"name": name, "in": place, "required": required, "schema": schema, "description": says}


def _problems(*codes: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(code): {"description": _MEANINGS[code], "content": content} for code in codes}


_MEANINGS = {
    400: "The query is wrong; says where.",
    401: "Sign in, or send a token.",
    404: "There is no such experiment.",
    413: "The batch is too long.",
    415: "The batch is not sent as application/json.",
    422: "The batch is wrong; says where.",
    503: "The store can't be read.",
}


def _text(media_type: str, says: str) -> dict[str, Any]:
    return {"description": says, "content": {media_type: {"schema": {"type": "string"}}}}


def _schemas() -> dict[str, Any]:
    numbers = {
        "exposures": _COUNT,
        "requests": _COUNT,
        "errors": _COUNT,
        "error_rate": _NUMBER,
        "errors_by_class": {"type": "object", "additionalProperties": _COUNT},
        **{f"{name}_ms": _NUMBER for name in ("mean", "p50", "p95", "p99")},
        "metrics": {
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/Mean"},
        },
    }
    moment = {"type": "string", "format": "date-time"}
    period = {"variant": {"type": "string"}, "start": moment, "end": moment, **numbers}
    metrics = {
        "experiment": {"type": "string"},
        "by": {"type": "string", "enum": ["day", "hour", "total"]},
        "metrics": {"type": "array", "items": {"$ref": "#/components/schemas/Period"}},
    }
    report = {"line": _OBJECT, "chosen": _OBJECT, "whole": _closed(numbers)}
    return {
        "Document": _closed({"openapi": {"type": "string"}}),
        "Experiments": _closed({"experiments": {"type": "array", "items": _OBJECT}}),
        "Mean": _closed({"count": _COUNT, "mean": {"type": "number"}}),
        "Metrics": _closed(metrics),
        "Period": _closed(period),
        "Pipeline": _closed({"processes": {"type": "array", "items": _OBJECT}}),
        "Problem": _closed({"error": {"type": "string"}, "detail": {"type": "string"}}),
        "Report": _closed(report | {"analysis": {"type": ["object", "null"]}}),
    }


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
