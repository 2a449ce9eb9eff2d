"""The demo's folder: flag file, registry, store, and a `.env` to use them with later."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from openfeature_triton.dashboard.demo.errors import FolderError
from openfeature_triton.dashboard.demo.recognisers import SEARCHES, TASK_TYPE
from openfeature_triton.flagd_config import example
from openfeature_triton.provider import Keyring, Registry, Service


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything lies."""

    path: Path
    is_kept: bool

    @property
    def flags(self) -> Path:
        """The flag file."""
        return self.path / "flags.json"

    @property
    def registry(self) -> str:
        """The registry's URL."""
        return f"sqlite:///{self.path / 'registry.db'}"

    @property
    def store(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self.path / 'store.db'}"


@contextmanager
def made_folder(path: Path | None) -> Iterator[Folder]:
    """Give a folder to fill; a temporary one, removed in the end, where none is named.

    Raises FolderError where there is something in it already, or it can't be made.
    """
    if path is None:
        with tempfile.TemporaryDirectory(prefix="oft-demo-") as temporary:
            yield Folder(Path(temporary), is_kept=False)
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_empty = not any(path.iterdir())
    except OSError as error:
        raise FolderError(path, error.strerror or str(error)) from None
    if not is_empty:
        raise FolderError(path, "is not empty")
    yield Folder(path.resolve(), is_kept=True)


def fill(folder: Folder, url: str, credential: SecretStr) -> SecretStr:
    """Write the example flag file and a registry of both services; gives the registry's key."""
    shutil.copyfile(example(TASK_TYPE), folder.flags)
    key = Keyring.generate_key()
    with closing(Registry(folder.registry, Keyring((key,)))) as registry:
        registry.create_schema()
        for name in SEARCHES:
            registry.add(
                Service(
                    service_id=name,
                    task_type=TASK_TYPE,
                    url=url,
                    model_name=name,
                    credential=credential,
                )
            )
    _write_environment(folder, key)
    return key


def _write_environment(folder: Folder, key: SecretStr) -> None:
    environment = folder.path / ".env"
    environment.touch(mode=0o600)
    environment.write_text(
        f"OFT_FLAGS={folder.flags}\n"
        f"OFT_REGISTRY={folder.registry}\n"
        f"OFT_STORE={folder.store}\n"
        f"OFT_KEYS={key.get_secret_value()}\n",
        encoding="utf-8",
    )
