"""Services as YAML, without their credentials: what `service export` writes and `import` reads."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from openfeature_triton.flagd_config.errors import FlagFileError, one_line
from openfeature_triton.flagd_config.positions import yaml_positions
from openfeature_triton.flagd_config.syntax import parse
from openfeature_triton.provider.errors import InvalidServiceError, ServiceFileError
from openfeature_triton.provider.service import Service, check_service

FIELDS: Mapping[str, str] = {
    "service": "service_id",
    "task": "task_type",
    "protocol": "protocol",
    "url": "url",
    "model": "model_name",
    "version": "model_version",
    "header": "credential_header",
    "published": "published",
}
"""What a field is called in the file, and in a Service."""

_NEEDED = ("service", "task", "url")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_STR = "tag:yaml.org,2002:str"


def as_rows(services: Iterable[Service]) -> list[dict[str, Any]]:
    """Give the fields of each service by their names in the file."""
    return [{name: getattr(each, field) for name, field in FIELDS.items()} for each in services]


def to_yaml(services: Iterable[Service]) -> str:
    """Write services; what `from_yaml` reads gives them again, without their credentials."""
    document = {"services": as_rows(services)}
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))


def from_yaml(content: bytes, source: str) -> tuple[Service, ...]:
    """Read services; raises ServiceFileError for the first thing that is wrong, with its line."""
    try:
        found = parse(content, source=source, yaml=True) if content.strip() else None
    except FlagFileError as error:
        raise ServiceFileError(str(error)) from None
    listed = found.get("services") if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(listed, list):
        raise ServiceFileError(
            f"{source}: it holds no list `services` alone — "
            "see what openfeature-triton service export writes"
        )
    lines = yaml_positions(content.decode())
    services: dict[str, Service] = {}
    for index, each in enumerate(listed):
        try:
            service = _service(each)
            if service.service_id in services:
                raise _WrongError(f"service {service.service_id!r} stands there twice")
        except (_WrongError, InvalidServiceError) as error:
            line = lines.of(("services", index)).line
            raise ServiceFileError(f"{source}: line {line}: {one_line(str(error))}") from None
        services[service.service_id] = service
    return tuple(services.values())


class _WrongError(Exception):
    """What is wrong with one service of the file."""


def _service(each: Any) -> Service:
    if not isinstance(each, dict):
        raise _WrongError("this is no service — write e.g. `- service: asr-fast`")
    for name in each:
        if name not in FIELDS:
            raise _WrongError(_unknown(str(name)))
    for name in _NEEDED:
        if name not in each:
            raise _WrongError(f"`{name}` is missing")
    given = {FIELDS[name]: _value(name, value) for name, value in each.items()}
    service = Service(**{"model_name": given["service_id"], **given})
    check_service(service)
    return service


def _value(name: str, value: Any) -> Any:
    if name == "version" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    wanted = bool if name == "published" else str
    if not isinstance(value, wanted):
        kind = "true or false" if wanted is bool else "a text, in quotes where it looks otherwise"
        raise _WrongError(f"`{name}` must be {kind}")
    return value


def _unknown(name: str) -> str:
    if name == "credential":
        return "a credential has no place in this file — service set --credential-file"
    near = difflib.get_close_matches(name, FIELDS, 1)
    return f"`{name}` is unknown — " + (
        f"write `{near[0]}`" if near else f"use {', '.join(FIELDS)}"
    )


class _Dumper(yaml.SafeDumper):
    """Quotes each text that another reader of YAML might take for a number or a date."""

    def represent_str(self, text: str) -> Any:
        """Leave a text unquoted only if it is a plain word."""
        return self.represent_scalar(_STR, text, None if _PLAIN.fullmatch(text) else '"')

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002
        """Indent a list below its key."""
        return super().increase_indent(flow, False)


_Dumper.add_representer(str, _Dumper.represent_str)
