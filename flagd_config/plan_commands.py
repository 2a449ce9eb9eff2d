"""The command `plan`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from openfeature_triton.flagd_config import options
from openfeature_triton.flagd_config.options import CouldNotRun, make_against
from openfeature_triton.flagd_config.progress import progress

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.document import Document
    from openfeature_triton.flagd_config.findings import Finding
    from openfeature_triton.flagd_config.forecast import Forecast
    from openfeature_triton.flagd_config.lint import Against
    from openfeature_triton.flagd_config.plan import MovePlan

_KEYS = 100_000


@click.command(
    epilog="Example: openfeature-triton plan --against git:HEAD flags.json",
    short_help="Say who moves when a flag file is replaced.",
)
@click.argument("files", metavar="[OLD] NEW", nargs=-1, required=True, type=click.Path())
@click.option("--against", metavar="FILE|git:COMMIT", help="The version that runs now, for OLD.")
@click.option(
    "--keys", "keys_path", type=click.Path(), help="A file of targeting keys, one in a line."
)
@click.option(
    "--count",
    default=_KEYS,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    help="How many keys are made up without --keys.",
)
@click.option(
    "--html", "html_path", type=click.Path(), help="Write the picture to this HTML file, too."
)
@options.registry
@options.task_types
@options.bucketing
@options.at
@options.as_json
@click.pass_context
def plan(
    command: click.Context,
    *,
    files: tuple[str, ...],
    against: str | None,
    keys_path: str | None,
    count: int,
    html_path: str | None,
    registry: str | None,
    task_types: str,
    bucketing: str,
    at: int | None,
    as_json: bool,
) -> None:
    """Say who moves from where to where, in each task type and language, before NEW is applied.

    Also which phases open, which order of variants moves fewer, what `lint` says, and from the
    store (OFT_STORE, OFT_INFLUX_URL) when the planned requests are in at present traffic.

    Evaluates both versions for the same targeting keys: the same input gives the same plan. Exits
    0, 1 where `lint` finds something in NEW, 2 where a version cannot be read.
    """
    from openfeature_triton.flagd_config.plan import default_keys
    from openfeature_triton.flagd_config.plan_page import as_html

    if len(files) != (1 if against else 2):
        raise click.UsageError("name OLD and NEW, or NEW and --against")
    names = against or files[0], files[-1]
    held_to = make_against(registry, bucketing, task_types)
    keys = _read_keys(keys_path) if keys_path else default_keys(count)
    found = _found(names, keys, held_to, at)
    if html_path:
        page = as_html(found.plan, " → ".join(names), found.forecasts, found.findings)
        _write(html_path, page)
    click.echo(_as_json(found) if as_json else _as_text(found))
    if found.problem:
        click.echo(f"the end at present traffic is not known: {found.problem}", err=True)
    command.exit(1 if any(finding.counts for finding in found.findings) else 0)


class _Found(NamedTuple):
    """All that is said of a change; `problem` is why nothing is known of present traffic."""

    plan: MovePlan
    findings: Sequence[Finding]
    forecasts: list[Forecast]
    problem: str


def _found(names: tuple[str, str], keys: list[str], held_to: Against, at: int | None) -> _Found:
    """Read both versions, evaluate them, lint the new one, and look at the store."""
    from dataclasses import replace

    from openfeature_triton.flagd_config.lint import lint_file
    from openfeature_triton.flagd_config.plan import make_plan

    with progress("planning") as say:
        old, new = (_read(name, names[1], held_to.bucketing) for name in names)
        made = make_plan(old, new, keys, at=at, say=say)
        findings = lint_file(names[1], replace(held_to, before=old.flags)).findings
    return _Found(made, findings, *_forecasts(new))


def _as_json(found: _Found) -> str:
    more = {
        "forecasts": [each.as_dict() for each in found.forecasts],
        "findings": [each.as_dict() for each in found.findings],
    }
    return json.dumps({**found.plan.as_dict(), **more}, indent=2)


def _as_text(found: _Found) -> str:
    from openfeature_triton.flagd_config.plan_picture import as_text

    return as_text(found.plan, found.forecasts, found.findings)


def _forecasts(document: Document) -> tuple[list[Forecast], str]:
    from datetime import datetime, timezone

    from openfeature_triton.flagd_config.forecast import read_forecasts
    from openfeature_triton.flagd_config.offers import NotOfferedError

    try:
        return read_forecasts(document, datetime.now(timezone.utc))
    except NotOfferedError as error:
        return [], str(error)


def _write(path: str, page: str) -> None:
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise CouldNotRun(f"{path} cannot be written ({error.strerror})") from error


def _read(name: str, new_name: str, bucketing: str) -> Document:
    from openfeature_triton.flagd_config.document import YAML_SUFFIXES, parse_document
    from openfeature_triton.flagd_config.versions import GIT, read_version

    path = new_name if name.startswith(GIT) else name
    yaml = path.lower().endswith(YAML_SUFFIXES)
    return parse_document(read_version(name, new_name), source=name, yaml=yaml, bucketing=bucketing)


def _read_keys(path: str) -> list[str]:
    from openfeature_triton.flagd_config.errors import Place
    from openfeature_triton.flagd_config.syntax import decode, read_bytes

    keys = [key for key in decode(read_bytes(path), Place(path)).splitlines() if key]
    if not keys:
        raise CouldNotRun(f"there are no targeting keys in {path} — write one in each line")
    return keys
