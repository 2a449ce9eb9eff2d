"""What the commands of the registry share: options, the opened registry, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from openfeature_triton.flagd_config.tables import table

if TYPE_CHECKING:
    from openfeature_triton.provider.registry import Record, Registry
    from openfeature_triton.provider.settings import ProviderSettings


class RegistryProblem(click.ClickException):
    """The registry could not do what was asked."""

    exit_code = 2


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
registry_option = click.option(
    "--registry", help="The registry's SQLAlchemy URL.  [default: OFT_REGISTRY, or registry.db]"
)


@contextmanager
def plainly() -> Iterator[None]:
    """End what is expected to fail in one line."""
    from openfeature_triton.provider.errors import ProviderError

    try:
        yield
    except ProviderError as error:
        raise RegistryProblem(str(error)) from None


@contextmanager
def opened(url: str | None, *, must_exist: bool = True) -> Iterator[Registry]:
    """Open the registry of the option or the environment, its table brought up to date."""
    from openfeature_triton.provider.keyring import Keyring
    from openfeature_triton.provider.registry import Registry

    settings = read_settings()
    with (
        plainly(),
        closing(Registry(url or settings.registry, Keyring.from_text(settings.keys))) as registry,
    ):
        if must_exist:
            registry.require()
            registry.create_schema()
        yield registry


def read_settings() -> ProviderSettings:
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


def show(found: Sequence[Record], *, as_json: bool) -> None:
    """Print services, never their credentials."""
    show_rows([_described(each) for each in found], as_json=as_json)


def show_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same columns, one for each service."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("no services yet — add one: openfeature-triton service add", file=sys.stderr)
    else:
        names = list(rows[0])
        click.echo(table([names, *[[_cell(row[name]) for name in names] for row in rows]]))


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


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
