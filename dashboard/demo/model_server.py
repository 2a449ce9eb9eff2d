"""Where the demo's recognisers are served: a real Triton, else a small server of the demo's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openfeature_triton.dashboard.demo.errors import TritonUnavailableError
from openfeature_triton.dashboard.demo.kserve_server import running_kserve
from openfeature_triton.dashboard.demo.recognisers import triton_models
from openfeature_triton.dashboard.demo.triton_installation import find_triton
from openfeature_triton.dashboard.demo.triton_server import running_triton

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that is ready: `kind` is `triton` or `kserve`, `url` is `host:port` of its HTTP."""

    kind: str
    name: str
    url: str


@contextmanager
def running_models(credential: str, *, triton: bool, say: Say) -> Iterator[ModelServer]:
    """Serve the recognisers, from a real Triton if wanted and to be had."""
    with ExitStack() as stack:
        server = _triton(stack, credential, say) if triton else None
        yield server or _kserve(stack, credential)


def cache_folder() -> Path:
    """Give the user's cache folder of this project."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "openfeature-triton"


def _triton(stack: ExitStack, credential: str, say: Say) -> ModelServer | None:
    try:
        installation = find_triton(cache_folder(), say)
        say(f"Starting Triton ({installation.source}) with two speech recognisers …")
        running = stack.enter_context(running_triton(installation, triton_models(), credential))
    except TritonUnavailableError as error:
        say(f"No real Triton: {error}. The demo serves the same models by itself.")
        return None
    return ModelServer("triton", f"Triton ({installation.source})", running.http_url)


def _kserve(stack: ExitStack, credential: str) -> ModelServer:
    url = stack.enter_context(running_kserve(credential))
    return ModelServer("kserve", "the demo's own KServe server (no Triton)", url)
