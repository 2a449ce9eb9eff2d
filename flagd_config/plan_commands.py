"""The command `plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.document import Document
    from openfeature_triton.flagd_config.findings import Finding

_KEYS = 100_000


class CouldNotPlan(click.ClickException):
    """What is to be compared is not there."""

    exit_code = 2


@click.command(
    epilog="Example: openfeature-triton plan --against git:HEAD flags.json",
    short_help="Say who moves when a flag file is replaced.",
)
@click.argument("files", metavar="[OLD] NEW", nargs=-1, required=True)
@click.option("--against", metavar="FILE|git:COMMIT", help="The version that runs now, for OLD.")
@click.option("--keys", "keys_path", help="A file of targeting keys, one in a line.")
@click.option(
    "--count",
    default=_KEYS,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    help="How many keys are made up without --keys.",
)
@click.option("--html", "html_path", help="Write the picture to this HTML file, too.")
@click.option(
    "--bucketing",
    type=click.Choice(["v2", "v3"]),
    default="v3",
    envvar="OFT_BUCKETING",
    show_default=True,
    show_envvar=True,
    help="The generation of flagd's hash.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.pass_context
def plan(
    command: click.Context,
    *,
    files: tuple[str, ...],
    against: str | None,
    keys_path: str | None,
    count: int,
    html_path: str | None,
    bucketing: str,
    as_json: bool,
) -> None:
    """Say who moves from where to where, in each task type and language, before NEW is applied.

    Evaluates both versions for the same targeting keys: the same input gives the same plan. Exits
    0, 1 where `lint` finds something in NEW, 2 where a version cannot be read.
    """
    from pathlib import Path

    from openfeature_triton.flagd_config.plan import default_keys, make_plan
    from openfeature_triton.flagd_config.plan_picture import as_html, as_text

    if len(files) != (1 if against else 2):
        raise click.UsageError("name OLD and NEW, or NEW and --against")
    old_name, new_name = against or files[0], files[-1]
    old, new = (_read(name, new_name, bucketing) for name in (old_name, new_name))
    keys = _read_keys(keys_path) if keys_path else default_keys(count)
    made = make_plan(old, new, keys)
    findings = _lint(new_name, old, bucketing)
    if html_path:
        try:
            Path(html_path).write_text(as_html(made, f"{old_name} → {new_name}"), encoding="utf-8")
        except OSError as error:
            raise CouldNotPlan(f"{html_path} cannot be written ({error.strerror})") from error
    if as_json:
        listed = [finding.as_dict() for finding in findings]
        click.echo(json.dumps({**made.as_dict(), "findings": listed}, indent=2))
    else:
        click.echo(as_text(made))
        for each in findings:
            click.echo(f"{each.path}:{each.line}: {each.severity} [{each.rule_id}] {each.problem}")
    command.exit(1 if any(finding.counts for finding in findings) else 0)


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
        raise CouldNotPlan(f"there are no targeting keys in {path} — write one in each line")
    return keys


def _lint(path: str, old: Document, bucketing: str) -> tuple[Finding, ...]:
    from openfeature_triton.flagd_config.lint import Against, lint_file

    return lint_file(path, Against(bucketing=bucketing, before=old.flags)).findings
