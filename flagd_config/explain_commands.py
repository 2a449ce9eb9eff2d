"""The command `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openfeature_triton.flagd_config import options
from openfeature_triton.flagd_config.options import CouldNotRun, read_registry

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.document import Document
    from openfeature_triton.flagd_config.explain import Explanation

_OK, _NONE = 0, 1


@click.command(
    epilog="Example: openfeature-triton explain --task nmt --language hi --targeting-key u1",
    short_help="Say why a request gets its variant, or none.",
)
@options.key_or_all
@click.option("--context", "context_json", default="{}", help="The request's attributes, as JSON.")
@click.option("--task", help="The task type; without KEY, its experiments are asked in order.")
@click.option("--language", help="The request's language, BCP 47.")
@click.option("--targeting-key", help="The request id or user id that is bucketed.")
@options.flags
@options.registry
@options.bucketing
@options.at
@options.as_json
@click.pass_context
def explain(
    command: click.Context,
    *,
    key: str | None,
    context_json: str,
    task: str | None,
    language: str | None,
    targeting_key: str | None,
    path: Path,
    registry: str | None,
    bucketing: str,
    at: int | None,
    as_json: bool,
) -> None:
    """Say which variant flag KEY gives a request, and why: conditions, bucket, service, phase.

    Exits 0 with a variant, 1 without one, 2 where it could not be asked.
    """
    from openfeature_triton.flagd_config.document import read_document

    given = {"task_type": task, "language": language, "targetingKey": targeting_key}
    context = _read_context(context_json) | {k: v for k, v in given.items() if v is not None}
    document = read_document(path, bucketing=bucketing)
    asked = _ask(document, key, context, read_registry(registry), at)
    if as_json:
        click.echo(json.dumps({"asked": [each.as_dict() for each in asked]}, indent=2))
    else:
        click.echo("\n\n".join("\n".join(_lines(each)) for each in asked) or "no experiment")
    command.exit(_OK if asked and asked[-1].variant is not None else _NONE)


def _read_context(text: str) -> dict[str, Any]:
    try:
        context = json.loads(text)
    except ValueError as error:
        raise CouldNotRun(f"--context is not JSON ({error}) — write e.g. '{{\"a\": 1}}'") from error
    if not isinstance(context, dict):
        raise CouldNotRun('--context is no object — write e.g. \'{"language": "hi"}\'')
    return context


def _ask(
    document: Document, key: str | None, context: dict[str, Any], services: Any, at: int | None
) -> list[Explanation]:
    from openfeature_triton.flagd_config.explain import explain_flag, explain_task

    task = context.get("task_type")
    if key is None and not isinstance(task, str):
        raise CouldNotRun("name a flag KEY, or a --task")
    if key is None:
        return explain_task(document, str(task), context, services, at)
    if key not in document.flags:
        known = ", ".join(list(document.flags)[:8])
        raise CouldNotRun(f"there is no flag {key!r} in {document.source} (there: {known})")
    return [explain_flag(document, key, context, services, at)]


def _lines(found: Explanation) -> list[str]:
    from openfeature_triton.flagd_config.errors import one_line

    chosen = "the caller's own default" if found.variant is None else found.variant
    lines = [f"{found.flag_key}: {chosen} — {found.why}"]
    if found.error:
        lines.append(f"  error       {found.error}")
    for each in found.trace.conditions:
        mark = "yes" if each.holds else "no "
        seen = ", ".join(f"{name} = {json.dumps(v)}" for name, v in each.attributes.items())
        lines.append(f"  {mark}         {'  ' * each.depth}{each.rule}   [{seen}]")
    lines.append(f"  branch      /{'/'.join(map(str, ('targeting', *found.trace.branch)))}")
    lines += _bucket_lines(found)
    if found.experiment is not None:
        lines.append(f"  phase       {found.experiment.phase}")
    if found.service_id is not None:
        lines.append(f"  service     {_service(found)}")
    return [one_line(line) for line in lines]


def _bucket_lines(found: Explanation) -> list[str]:
    bucket = found.trace.bucket
    if bucket is None:
        return []
    weights = ", ".join(f"{variant} {weight}" for variant, weight in bucket.weights)
    lines = [f"  weights     {weights or 'none'}", f"  hashed      {json.dumps(bucket.by)}"]
    if bucket.number is None:
        return [*lines, f"  bucket      none (bucketing {found.bucketing})"]
    span = f"{bucket.variant}: {bucket.low} to {int(bucket.high or 0) - 1}"
    return [
        *lines,
        f"  bucket      {bucket.number} of {bucket.total} ({span}), bucketing {found.bucketing}",
    ]


def _service(found: Explanation) -> str:
    service = found.service
    if service is None:
        return f"{found.service_id}"
    version = service.model_version or "latest"
    state = "" if service.published else ", NOT PUBLISHED: the caller's own service is used"
    return (
        f"{service.service_id}: {service.protocol}://{service.url}, model {service.model_name} "
        f"({version}){state}"
    )
