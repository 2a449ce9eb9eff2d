"""The commands that look after all services at once: `check`, `rotate-keys`, `import`, `export`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openfeature_triton.flagd_config.progress import progress
from openfeature_triton.provider.options import (
    RegistryProblem,
    as_json_option,
    opened,
    plainly,
    read_settings,
    registry_option,
    show_rows,
)

if TYPE_CHECKING:
    from openfeature_triton.provider.readiness import Readiness
    from openfeature_triton.provider.registry import Registry
    from openfeature_triton.provider.service import Service

_NOT_READY = 1


@click.command(epilog="Example: openfeature-triton service check asr-fast --timeout 2")
@click.argument("service_ids", metavar="[SERVICE]...", nargs=-1)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    show_default=True,
    help="Seconds that each Triton has to answer.",
)
@registry_option
@as_json_option
@click.pass_context
def check(
    context: click.Context,
    service_ids: tuple[str, ...],
    timeout_s: float,
    registry: str | None,
    *,
    as_json: bool,
) -> None:
    """Ask each Triton whether its model is ready for our credential, all at once.

    Asks for the SERVICEs named, or for all, also those that are not published. No model is run.
    Exits 0 where all are ready, 1 where one is not, 2 where the registry can't be read.
    """
    from openfeature_triton.provider.readiness import ADVICE, READY

    with opened(registry) as found:
        records = [found.record(each) for each in service_ids] or found.records()
        wanted = [record.service.service_id for record in records]
        answers = _answers(found, wanted, timeout_s)
    rows = [
        {
            "service": each.service_id,
            "protocol": each.protocol,
            "url": each.url,
            "model": each.model_name,
            "version": each.model_version or "latest",
            "state": answers[each.service_id].state,
            "took_ms": round(answers[each.service_id].took_ms),
            "advice": ADVICE[answers[each.service_id].state],
        }
        for each in (record.service for record in records)
    ]
    show_rows(rows, as_json=as_json)
    if any(each.state != READY for each in answers.values()):
        context.exit(_NOT_READY)


def _answers(registry: Registry, wanted: Sequence[str], timeout_s: float) -> dict[str, Readiness]:
    """Ask for each service; one whose credential does not open has its answer at once."""
    from openfeature_triton.provider.errors import KeyringError
    from openfeature_triton.provider.readiness import NO_KEY, Readiness, ask_all

    services, answers = [], {}
    for service_id in wanted:
        try:
            services.append(registry.get(service_id))
        except KeyringError:
            answers[service_id] = Readiness(service_id, NO_KEY)
    with progress("asking") as tell:
        for answer in ask_all(services, read_settings(), timeout_s):
            answers[answer.service_id] = answer
            tell(f"{len(answers)} of {len(wanted)}")
    return answers


@click.command(
    "rotate-keys", epilog="Example: OFT_KEYS=NEW,OLD openfeature-triton service rotate-keys"
)
@registry_option
@as_json_option
def rotate_keys(registry: str | None, *, as_json: bool) -> None:
    """Encrypt every credential anew with the first key of OFT_KEYS, all of them or none.

    Put a new key (`service keygen`) before the old one in OFT_KEYS, everywhere; rotate; then take
    the old one away. Services that run meanwhile go on.
    """
    with opened(registry) as found:
        count = found.rotate_keys()
    if as_json:
        click.echo(json.dumps({"rotated": count}))
    else:
        click.echo(f"{count} credentials are encrypted with the first key of OFT_KEYS now")


@click.command(epilog="Example: openfeature-triton service export > services.yaml")
@registry_option
@as_json_option
def export(registry: str | None, *, as_json: bool) -> None:
    """Write all services as YAML, without their credentials, for `import`."""
    from openfeature_triton.provider.service_file import as_rows, to_yaml

    with opened(registry) as found:
        services = [record.service for record in found.records()]
    if as_json:
        click.echo(json.dumps({"services": as_rows(services)}, indent=2))
    else:
        click.echo(to_yaml(services), nl=False)


@click.command("import", epilog="Example: openfeature-triton service import services.yaml")
@click.argument("file", metavar="FILE")
@registry_option
@as_json_option
def import_(file: str, registry: str | None, *, as_json: bool) -> None:
    """Add the services of a YAML FILE (`-`: standard input) and change those that are there.

    All of the file is checked before any of it is written, and all is written or nothing. None is
    removed, and credentials stay as they are: give a new service its own by `service set`.
    """
    from openfeature_triton.provider.service_file import from_yaml

    with plainly():
        services = from_yaml(_read(file), file)
    with opened(registry, must_exist=False) as found:
        found.create_schema()
        done = found.put(services)
        lacking = [each.service_id for each in services if not _has_credential(found, each)]
    if as_json:
        click.echo(json.dumps({"services": done, "without_credential": lacking}, indent=2))
        return
    for service_id, what in done.items():
        click.echo(f"{what:8}{service_id}")
    if lacking:
        click.echo(
            f"without a credential: {', '.join(lacking)} — if Triton wants one: "
            "openfeature-triton service set SERVICE --credential-file FILE",
            file=sys.stderr,
        )


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RegistryProblem(f"{file}: {reason} — name a file of services") from None


def _has_credential(registry: Registry, service: Service) -> bool:
    return registry.record(service.service_id).has_credential


COMMANDS: tuple[Any, ...] = (check, rotate_keys, export, import_)
