"""The command `doctor`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from openfeature_triton.flagd_config.options import CouldNotRun

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.doctor import Checked

_MARK = {"fine": "ok", "warning": "!", "broken": "BROKEN"}


@click.command(
    epilog="Example: openfeature-triton doctor --json store clock",
    short_help="Check the whole set-up, and say what to do.",
)
@click.argument("names", metavar="[CHECK]...", nargs=-1)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    help="Seconds that each check may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.pass_context
def doctor(
    context: click.Context, names: tuple[str, ...], timeout_s: float, *, as_json: bool
) -> None:
    """Check the set-up that the environment names, as a service started here would find it.

    Flag source and bucketing, registry and keys, each Triton, the store, the clock against it, the
    spool, installed libraries: all at once, or the CHECKs named. To see whether the store takes
    data, a probe is written and deleted; nothing else is changed.

    Exits 0 where all is fine, 1 where something is not, 2 where it could not run.
    """
    from openfeature_triton.flagd_config.doctor import FINE, examine
    from openfeature_triton.flagd_config.offers import names_offered
    from openfeature_triton.flagd_config.progress import progress

    if os.environ.get("OFT_DEBUG") == "1":
        logging.basicConfig(level=logging.DEBUG)
    _require(names, names_offered("check"))
    with progress("checking"):
        found = examine(timeout_s, names)
    is_fine = all(each.state == FINE for each in found)
    if as_json:
        shown = [each.as_dict() for each in found]
        click.echo(json.dumps({"ok": is_fine, "checks": shown}, indent=2))
    else:
        click.echo("\n".join(_page(found)))
    context.exit(0 if is_fine else 1)


def _require(wanted: Iterable[str], offered: Sequence[str]) -> None:
    if not offered:
        raise CouldNotRun(
            "no checks are installed — pip install --force-reinstall openfeature-triton"
        )
    unknown = [each for each in wanted if each not in offered]
    if unknown:
        raise CouldNotRun(f"there is no check {unknown[0]!r} — there are: {', '.join(offered)}")


def _page(found: Sequence[Checked]) -> Iterable[str]:
    width = max(len(each.name) for each in found)
    for checked in found:
        for index, line in enumerate(checked.lines):
            name = checked.name if index == 0 else ""
            yield f"{name:{width}}  {_MARK[line.state]:6}  {line.text}"
            if line.advice:
                yield f"{'':{width}}  {'':6}  → {line.advice}"
    yield ""
    yield _summary(found)


def _summary(found: Sequence[Checked]) -> str:
    states = [each.state for each in found]
    broken, warned = states.count("broken"), states.count("warning")
    if not broken and not warned:
        return f"{len(found)} checks: all fine"
    return f"{len(found)} checks: {broken} broken, {warned} with warnings"
