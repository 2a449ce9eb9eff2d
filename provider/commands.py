"""The commands of `provider`: the registry of services."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pydantic import SecretStr

    from openfeature_triton.provider.registry import Record, Registry
    from openfeature_triton.provider.settings import ProviderSettings


class RegistryProblem(click.ClickException):
    """The registry could not do what was asked."""

    exit_code = 2


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_registry_url = click.option(
    "--registry", help="The registry's SQLAlchemy URL.  [default: OFT_REGISTRY, or registry.db]"
)
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
@_registry_url
@_as_json
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
    with _opened(registry, must_exist=False) as opened:
        opened.add(new, create_schema=True)
        added = opened.record(service_id)
    _show([added], as_json=as_json)


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
@_registry_url
@_as_json
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
    with _opened(registry) as opened:
        before = opened.record(service_id).service
        opened.update(
            replace(before, credential=credential, **given), keep_credential=credential is None
        )
        changed = opened.record(service_id)
    _show([changed], as_json=as_json)


@service.command("list")
@_registry_url
@_as_json
def list_(registry: str | None, *, as_json: bool) -> None:
    """List all services, never their credentials.

    Example: openfeature-triton service list --json
    """
    with _opened(registry) as opened:
        opened.verify()
        found = opened.records()
    _show(found, as_json=as_json)


@service.command()
@click.argument("service_id")
@_registry_url
@_as_json
def show(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Show one service.

    Example: openfeature-triton service show asr-fast
    """
    with _opened(registry) as opened:
        opened.verify(service_id)
        found = opened.record(service_id)
    _show([found], as_json=as_json)


@service.command()
@click.argument("service_id")
@_registry_url
@_as_json
def remove(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Remove a service.

    Example: openfeature-triton service remove asr-fast
    """
    with _opened(registry) as opened:
        opened.remove(service_id)
    click.echo(json.dumps({"removed": service_id}) if as_json else f"removed {service_id}")


@service.command()
@click.argument("service_id")
@_registry_url
@_as_json
def publish(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Let experiments send requests to a service.

    Example: openfeature-triton service publish asr-fast
    """
    _publish(service_id, registry, published=True, as_json=as_json)


@service.command()
@click.argument("service_id")
@_registry_url
@_as_json
def unpublish(service_id: str, registry: str | None, *, as_json: bool) -> None:
    """Let experiments no longer send requests to a service.

    Example: openfeature-triton service unpublish asr-fast
    """
    _publish(service_id, registry, published=False, as_json=as_json)


def _publish(service_id: str, registry: str | None, *, published: bool, as_json: bool) -> None:
    with _opened(registry) as opened:
        opened.publish(service_id, published=published)
        changed = opened.record(service_id)
    _show([changed], as_json=as_json)


@contextmanager
def _opened(url: str | None, *, must_exist: bool = True) -> Iterator[Registry]:
    """Open the registry of the option or the environment; its errors end in one line."""
    from openfeature_triton.provider.errors import ProviderError
    from openfeature_triton.provider.keyring import Keyring
    from openfeature_triton.provider.registry import Registry

    settings = _settings()
    try:
        opened = Registry(url or settings.registry, Keyring.from_text(settings.keys))
        with closing(opened) as registry:
            if must_exist:
                registry.require()
                registry.create_schema()
            yield registry
    except ProviderError as error:
        raise RegistryProblem(str(error)) from None


def _settings() -> ProviderSettings:
    """Read the environment; say which variable is no good, never what it holds."""
    from pydantic import ValidationError

    from openfeature_triton.provider.settings import ProviderSettings

    try:
        return ProviderSettings()
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise RegistryProblem(
            f"a setting in the environment is no good — {'; '.join(wrong)}"
        ) from None


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


def _show(found: tuple[Record, ...] | list[Record], *, as_json: bool) -> None:
    rows = [_described(each) for each in found]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("no services yet — add one: openfeature-triton service add", file=sys.stderr)
    else:
        _print_table(rows)


def _described(record: Record) -> dict[str, Any]:
    """A service as one sees it: whether it has a credential, not which."""
    each = record.service
    return {
        "service": each.service_id,
        "task": each.task_type,
        "protocol": each.protocol,
        "url": each.url,
        "model": each.model_name,
        "version": each.model_version or "latest",
        "credential": f"in {each.credential_header}" if record.has_credential else "none",
        "published": each.published,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    cells = [names, *[[_cell(row[name]) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        texts = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(texts).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
