"""Layout: the text of a new flag, as the examples write theirs, in JSON and in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfeature_triton.flagd_config.flag_text import written, yaml_key
from openfeature_triton.flagd_config.targeting import operation

_SCHEMA = "https://flagd.dev/schema/v0/flags.json"
_OPEN = ("variants", "metadata")  # each member on a line of its own


def json_document(key: str, flag: Mapping[str, Any]) -> str:
    """Give a new file with one flag, as JSON."""
    lines = ["{", f'  "$schema": "{_SCHEMA}",', '  "flags": {']
    lines += _indented([f"{written(key)}: {{", *json_lines(flag)[1:]], 4)
    return "\n".join([*lines, "  }", "}", ""])


def yaml_document(key: str, flag: Mapping[str, Any]) -> str:
    """Give a new file with one flag, as YAML."""
    lines = [f"# yaml-language-server: $schema={_SCHEMA}", "flags:"]
    return "\n".join([*lines, *_indented([f"{yaml_key(key)}:", *yaml_lines(flag)], 2), ""])


def json_lines(flag: Mapping[str, Any]) -> list[str]:
    """Give a flag as the lines of a JSON object."""
    members = [_json_member(name, value) for name, value in flag.items()]
    return ["{", *_indented(_joined(members), 2), "}"]


def _json_member(name: str, value: Any) -> list[str]:
    if name in _OPEN:
        lines = [f"{written(inner)}: {written(item)}" for inner, item in value.items()]
        return [f"{written(name)}: {{", *_indented(_joined([[line] for line in lines]), 2), "}"]
    found = operation(value) if name == "targeting" else None
    if found is None or found.name != "if":
        return [f"{written(name)}: {written(value)}"]
    rules = [[written(rule)] for rule in found.arguments]
    return [f'{written(name)}: {{"if": [', *_indented(_joined(rules), 2), "]}"]


def yaml_lines(flag: Mapping[str, Any]) -> list[str]:
    """Give a flag as the lines of a YAML mapping, indented below its key."""
    lines: list[str] = []
    for name, value in flag.items():
        found = operation(value) if name == "targeting" else None
        if name in _OPEN:
            inner = [f"  {yaml_key(key)}: {written(item)}" for key, item in value.items()]
            lines += [f"{name}:", *inner]
        elif found is not None and found.name == "if":
            lines += [f"{name}:", "  if:", *(f"    - {written(rule)}" for rule in found.arguments)]
        else:
            lines.append(f"{name}: {written(value)}")
    return _indented(lines, 2)


def _joined(members: list[list[str]]) -> list[str]:
    """Give the members' lines, a comma after each member but the last."""
    for member in members[:-1]:
        member[-1] += ","
    return [line for member in members for line in member]


def _indented(lines: list[str], columns: int) -> list[str]:
    return [" " * columns + line for line in lines]
