"""The commands of `provider`: the registry of services."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import click

from openfeature_triton.provider.options import (
    RegistryProblem,
    as_json_option,
    opened,
    registry_option,
)
from openfeature_triton.provider.options import show as show_services
from openfeature_triton.provider.upkeep_commands import COMMANDS

if TYPE_CHECKING:
    from pydantic import SecretStr

_credential_file = click.option(
    "--credential-file",
    type=click.File("r"),
    help="Read the credential from a file, or from standard input with '-'.",
)
_ask = click.option("--ask-credential", is_flag=True, help="Ask for the credential.")


@click.group()
def service() -> None:
    """Services of the registry: where each model is, and what opens it.

    Example: openfeature-triton service add asr-fast --task asr --url 127.0.0.1:8000
    """


@service.command()
def keygen() -> None:
    """Print a new key for OFT_KEYS.

    Example: export OFT_KEYS=$(openfeature-triton service keygen)
    """
    from openfeature_triton.provider.keyring import Keyring

    click.echo(Keyring.generate_key().get_secret_value())


@service.command()
@click.argument("service_id")
@click.option("--task", "task_type", required=True, help="asr, nmt, tts, ocr, ner or another.")
@click.option("--url", required=True, help="Triton's host:port.")
@click.option("--model", "model_name", help="The model's name.  [default: SERVICE_ID]")
@click.option(
    "--version", "model_version", default="", help="The model's version.  [default: latest]"
)
@click.option("--protocol", type=click.Choice(["http", "grpc"]), default="http", show_default=True)
@click.option("--header", "credential_header", default="authorization", show_default=True)
@click.option("--published/--unpublished", default=True, show_default=True)
@_credential_file
@_ask
@registry_option
@as_json_option
def add(
    service_id: str,
    *,
    task_type: str,
    url: str,
    model_name: str | None,
    model_version: str,
    protocol: str,
    credential_header: str,
    published: bool,
    credential_file: IO[str] | None,
    ask_credential: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    """Add a service.

    Example: openfeature-triton service add asr-fast --task asr --url 127.0.0.1:8000
    """
    from openfeature_triton.provider.service import Service

    new = Service(
        service_id=service_id,
        task_type=task_type,
        url=url,
        model_name=model_name or service_id,
        model_version=model_version,
        protocol=protocol,
        credential_header=credential_header,
        credential=_read_credential(credential_file, ask=ask_credential),
        published=published,
    )
    with opened(registry, must_exist=False) as found:
        found.add(new, create_schema=True)
        added = found.record(service_id)
    show_services([added], as_json=as_json)


@service.command("set")
@click.argument("service_id")
@click.option("--task", "task_type")
@click.option("--url")
@click.option("--model", "model_name")
@click.option("--version", "model_version")
@click.option("--protocol", type=click.Choice(["http", "grpc"]))
@click.option("--header", "credential_header")
@_credential_file
@_ask
@registry_option
@as_json_option
def set_(
    service_id: str,
    *,
    credential_file: IO[str] | None,
    ask_credential: bool,
    registry: str | None,
    as_json: bool,
    **changes: str | None,
) -> None:
    """Change a service; what is not given stays.

    Example: openfeature-triton service set asr-fast --version 2
    """
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    credential = _read_credential(credential_file, ask=ask_credential)
    with opened(registry) as found:
        before = found.record(service_id).service
        found.update(
            replace(before, credential=credential, **given), keep_credential=credential is None
        )
        changed = found.record(service_id)
    show_services([changed], as_json=as_json)


@service.command("list")
@registry_option
@as_json_option
def list_(registry: str | None, *, as_json: bool) -> None:
    """List all services, never their credentials.

    Example: openfeature-triton service list --json
    """
    with opened(registry) as found:
        found.verify()
        records = found.records()
    show_services(records, as_json=as_json)


@service.command()
@click.argument("service_id")
@registry_option
@as_json_option
def show(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Show one service.

    Example: openfeature-triton service show asr-fast
    """
    with opened(registry) as found:
        found.verify(service_id)
        record = found.record(service_id)
    show_services([record], as_json=as_json)


@service.command()
@click.argument("service_id")
@registry_option
@as_json_option
def remove(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Remove a service.

    Example: openfeature-triton service remove asr-fast
    """
    with opened(registry) as found:
        found.remove(service_id)
    click.echo(json.dumps({"removed": service_id}) if as_json else f"removed {service_id}")


@service.command()
@click.argument("service_id")
@registry_option
@as_json_option
def publish(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Let experiments send requests to a service.

    Example: openfeature-triton service publish asr-fast
    """
    _publish(service_id, registry, published=True, as_json=as_json)


@service.command()
@click.argument("service_id")
@registry_option
@as_json_option
def unpublish(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Let experiments no longer send requests to a service.

    Example: openfeature-triton service unpublish asr-fast
    """
    _publish(service_id, registry, published=False, as_json=as_json)


def _publish(service_id: str, registry: str | None, *, published: bool, as_json: bool) -> None:
    with opened(registry) as found:
        found.publish(service_id, published=published)
        changed = found.record(service_id)
    show_services([changed], as_json=as_json)


def _read_credential(file: IO[str] | None, *, ask: bool) -> SecretStr | None:
    """Take the credential from a file, standard input or a prompt; never from an argument."""
    from pydantic import SecretStr

    if file is not None:
        return SecretStr(_text_of(file))
    if ask:
        return SecretStr(click.prompt("Credential", hide_input=True, err=True))
    return None


def _text_of(file: IO[str]) -> str:
    try:
        return file.read().strip("\r\n")
    except UnicodeDecodeError:
        raise RegistryProblem(f"the credential in {file.name} is not UTF-8 text") from None


for command in COMMANDS:
    service.add_command(command)
