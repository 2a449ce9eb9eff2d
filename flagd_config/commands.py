"""The commands of `flagd_config`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.document import Document
    from openfeature_triton.flagd_config.errors import FlagFileError

FINE, FINDINGS, COULD_NOT_RUN = 0, 1, 2
_COLUMNS = ("experiment", "state", "task", "languages", "variant", "service", "weight", "phase")


@click.command(
    epilog="Example: openfeature-triton lint flags.json flags/*.yaml",
    short_help="Check flag files and show their experiments.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.option(
    "--bucketing",
    type=click.Choice(["v2", "v3"]),
    default="v3",
    envvar="OFT_BUCKETING",
    show_default=True,
    show_envvar=True,
    help="The generation of flagd's hash, which is part of an experiment's phase.",
)
@click.pass_context
def lint(context: click.Context, files: tuple[str, ...], as_json: bool, bucketing: str) -> None:
    """Check flag FILEs before applying them, and show the experiments in them.

    Says what flagd would refuse, and which experiment cannot work and why. Exits 0 when all is
    well, 1 with findings, 2 when a file cannot be read.
    """
    reports = [_check(file, bucketing) for file in files]
    if as_json:
        click.echo(json.dumps({"files": [report for report, _ in reports]}, indent=2))
    else:
        for report, _ in reports:
            _show(report)
    context.exit(max(code for _, code in reports))


def _check(file: str, bucketing: str) -> tuple[dict[str, Any], int]:
    """Give what there is to say about one file, and the exit code it asks for."""
    from openfeature_triton.flagd_config.document import read_document
    from openfeature_triton.flagd_config.errors import FlagFileError, UnreadableFileError

    try:
        return _describe(file, read_document(file, bucketing=bucketing)), FINE
    except UnreadableFileError as error:
        return _refuse(file, error), COULD_NOT_RUN
    except FlagFileError as error:
        return _refuse(file, error), FINDINGS


def _refuse(file: str, error: FlagFileError) -> dict[str, Any]:
    return {"file": file, "ok": False, "message": str(error), "error": error.as_dict()}


def _describe(file: str, document: Document) -> dict[str, Any]:
    experiments = [
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
        for experiment in document.experiments.values()
    ]
    return {"file": file, "ok": True, "flags": len(document.flags), "experiments": experiments}


def _show(report: dict[str, Any]) -> None:
    if not report["ok"]:
        click.echo(f"error: {report['message']}", err=True)
        return
    flags, experiments = report["flags"], report["experiments"]
    click.echo(
        f"{report['file']}: {_count(flags, 'flag')}, {_count(len(experiments), 'experiment')}"
    )
    if flags == 0:
        click.echo("note: applied, this file removes every flag")
    if experiments:
        rows = [row for experiment in experiments for row in _rows(experiment)]
        click.echo(_table([_COLUMNS, *rows]))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rows(experiment: dict[str, Any]) -> list[tuple[str, ...]]:
    """Give a row per variant; what belongs to the whole experiment stands in the first."""
    whole = (
        experiment["key"],
        experiment["state"],
        experiment["task_type"],
        ", ".join(experiment["languages"]) or "all",
    )
    rows = []
    for index, variant in enumerate(experiment["variants"]):
        start, phase = (whole, experiment["phase"]) if index == 0 else (("",) * 4, "")
        mark = " (control)" if variant["variant"] == experiment["control"] else ""
        name = variant["variant"] + mark
        rows.append((*start, name, variant["service"], str(variant["weight"]), phase))
    return rows


def _table(rows: list[tuple[str, ...]]) -> str:
    from openfeature_triton.flagd_config.errors import one_line

    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
