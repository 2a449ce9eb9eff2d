"""The commands of `flagd_config`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from openfeature_triton.flagd_config import options
from openfeature_triton.flagd_config.counted import counted
from openfeature_triton.flagd_config.options import CouldNotRun, make_against
from openfeature_triton.flagd_config.progress import progress
from openfeature_triton.flagd_config.tables import table

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.experiment import Experiment
    from openfeature_triton.flagd_config.lint import Against, Report

FINE, FINDINGS, COULD_NOT_RUN = 0, 1, 2
_COLUMNS = ("experiment", "state", "task", "languages", "variant", "service", "weight", "phase")


@click.command(
    epilog="Example: openfeature-triton lint --against git:HEAD --format github flags.json",
    short_help="Check flag files and show their experiments.",
)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
@click.option("--rules", is_flag=True, help="List the rules instead.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@options.registry
@click.option(
    "--against",
    metavar="FILE|git:COMMIT",
    help="The version that runs now: says which variants its experiments would lose.",
)
@options.task_types
@options.bucketing
@click.pass_context
def lint(
    context: click.Context,
    files: tuple[str, ...],
    *,
    rules: bool,
    output: str,
    as_json: bool,
    registry: str | None,
    against: str | None,
    task_types: str,
    bucketing: str,
) -> None:
    """Check flag FILEs before applying them, and show the experiments in them.

    Says what flagd would refuse or silently do, and which experiment cannot work and why. Exits 0
    when all is well, 1 with findings, 2 when a file cannot be read.
    """
    output = "json" if as_json else output
    if rules:
        _show_rules(output)
        return
    if not files:
        raise click.UsageError("name a flag file, e.g. flags.json")
    from openfeature_triton.flagd_config.lint import lint_file
    from openfeature_triton.flagd_config.lint_formats import FORMATS, summary

    held_to = make_against(registry, bucketing, task_types)
    reports = []
    with progress("linting") as say:
        for index, file in enumerate(files, 1):
            say(f"{file}, {index} of {len(files)}")
            reports.append(lint_file(file, _against(held_to, file, against)))
    text = FORMATS[output](reports)
    if text:
        click.echo(text)
    if output == "text":
        for report in reports:
            _show(report)
        click.echo(summary(reports), nl=bool(summary(reports)))
    context.exit(_exit_code(reports))


def _exit_code(reports: Sequence[Report]) -> int:
    if any(report.could_not_run for report in reports):
        return COULD_NOT_RUN
    return FINE if all(report.clean for report in reports) else FINDINGS


def _against(against: Against, file: str, version: str | None) -> Against:
    if version is None:
        return against
    from dataclasses import replace

    return replace(against, before=_flags_of(version, file))


def _flags_of(version: str, file: str) -> Mapping[str, Any]:
    """Give the flags of the version that runs, however bad it is."""
    from openfeature_triton.flagd_config.document import YAML_SUFFIXES
    from openfeature_triton.flagd_config.errors import FlagFileError
    from openfeature_triton.flagd_config.syntax import parse
    from openfeature_triton.flagd_config.versions import GIT, read_version

    name = file if version.startswith(GIT) else version
    yaml = name.lower().endswith(YAML_SUFFIXES)
    try:
        document = parse(read_version(version, file), source=version, yaml=yaml)
    except FlagFileError as error:
        raise CouldNotRun(str(error)) from error
    flags = document.get("flags") if isinstance(document, dict) else None
    return flags if isinstance(flags, dict) else {}


def _show_rules(output: str) -> None:
    from openfeature_triton.flagd_config.rules import RULES

    if output == "json":
        listed = [
            {"rule": rule.id, "severity": rule.severity, "finds": rule.finds}
            for rule in RULES.values()
        ]
        click.echo(json.dumps({"rules": listed}, indent=2))
        return
    rows = [(rule.id, rule.severity, rule.finds) for rule in RULES.values()]
    click.echo(table([("rule", "severity", "finds"), *rows]))


def _show(report: Report) -> None:
    experiments = report.experiments
    if report.could_not_run or not (report.flags or report.clean):
        return
    click.echo(
        f"{report.path}: {counted(report.flags, 'flag')}, {counted(len(experiments), 'experiment')}"
    )
    if experiments:
        rows = [row for experiment in experiments for row in _rows(experiment)]
        click.echo(table([_COLUMNS, *rows]))


def _rows(experiment: Experiment) -> list[tuple[str, ...]]:
    """Give a row per variant; what belongs to the whole experiment stands in the first."""
    whole = (
        experiment.key,
        experiment.state,
        experiment.task_type,
        ", ".join(experiment.languages) or "all",
    )
    rows: list[tuple[str, ...]] = []
    for index, (variant, service) in enumerate(experiment.services.items()):
        start, phase = (whole, experiment.phase) if index == 0 else (("",) * 4, "")
        name = variant + (" (control)" if variant == experiment.control else "")
        rows.append((*start, name, service, str(experiment.weights[variant]), phase))
    return rows
