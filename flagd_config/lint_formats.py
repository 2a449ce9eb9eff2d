"""Findings as text, as JSON, as GitHub's annotations, and as SARIF 2.1.0 for code scanners."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from openfeature_triton.flagd_config.counted import counted
from openfeature_triton.flagd_config.errors import one_line
from openfeature_triton.flagd_config.findings import ERROR, NOTE, SEVERITIES, WARNING, Finding
from openfeature_triton.flagd_config.lint import Report
from openfeature_triton.flagd_config.rules import RULES

_GITHUB = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(reports: Sequence[Report]) -> str:
    """Give two lines per finding and one per file."""
    return "\n".join(line for report in reports for line in _text_lines(report))


def _text_lines(report: Report) -> list[str]:
    lines = []
    for each in report.findings:
        where = f"{one_line(each.path)}:{each.line}:{each.column}"
        lines.append(f"{where}: {each.severity} [{each.rule_id}] {_flag(each)}{each.problem}")
        lines.append(f"    {each.json_path + ': ' if each.json_path else ''}{each.advice}")
    return lines


def _flag(finding: Finding) -> str:
    return "" if finding.flag_key is None else f"flag '{one_line(finding.flag_key)}': "


def summary(reports: Sequence[Report]) -> str:
    """Give the number of findings by severity, in one line; empty without any."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for report in reports:
        for finding in report.findings:
            counts[finding.severity] += 1
    parts = [counted(count, severity) for severity, count in counts.items() if count]
    return ", ".join(parts)


def as_github(reports: Sequence[Report]) -> str:
    """Give GitHub's workflow commands, which annotate the lines of a pull request."""
    return "\n".join(_github(finding) for report in reports for finding in report.findings)


def _github(finding: Finding) -> str:
    properties = {
        "file": finding.path,
        "line": str(finding.line),
        "col": str(finding.column),
        "title": finding.rule_id,
    }
    joined = ",".join(f"{key}={_escape(value, ':,')}" for key, value in properties.items())
    message = _escape(f"{_flag(finding)}{finding.problem} — {finding.advice}", "")
    return f"::{_GITHUB[finding.severity]} {joined}::{message}"


def _escape(text: str, more: str) -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def as_sarif(reports: Sequence[Report]) -> str:
    """Give a log of SARIF 2.1.0 (OASIS, 2020)."""
    from importlib.metadata import version  # noqa: PLC0415 only this format wants it

    driver = {
        "name": "openfeature-triton",
        "version": version("openfeature-triton"),
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.finds},
                "defaultConfiguration": {"level": rule.severity},
            }
            for rule in RULES.values()
        ],
    }
    results = [_sarif(finding) for report in reports for finding in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif(finding: Finding) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(PurePath(finding.path).as_posix())},
            "region": {"startLine": finding.line, "startColumn": finding.column},
        }
    }
    if finding.json_path:
        place["logicalLocations"] = [{"fullyQualifiedName": finding.json_path}]
    return {
        "ruleId": finding.rule_id,
        "ruleIndex": list(RULES).index(finding.rule_id),
        "level": finding.severity,
        "message": {"text": f"{_flag(finding)}{finding.problem} — {finding.advice}"},
        "locations": [place],
    }


def as_json(reports: Sequence[Report]) -> str:
    """Give the findings and the experiments of each file."""
    return json.dumps({"files": [_described(report) for report in reports]}, indent=2)


def _described(report: Report) -> dict[str, Any]:
    return {
        "file": report.path,
        "ok": report.clean,
        "could_not_run": report.could_not_run,
        "findings": [finding.as_dict() for finding in report.findings],
        "flags": report.flags,
        "experiments": [
            {
                "key": experiment.key,
                "state": experiment.state,
                "task_type": experiment.task_type,
                "languages": list(experiment.languages),
                "control": experiment.control,
                "variants": [
                    {"variant": variant, "service": service, "weight": experiment.weights[variant]}
                    for variant, service in experiment.services.items()
                ],
                "unit": experiment.unit,
                "priority": experiment.priority,
                "phase": experiment.phase,
            }
            for experiment in report.experiments
        ],
    }


FORMATS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}
