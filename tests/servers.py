"""Starts real servers on free loopback ports, and stops them.

Where a server is missing, its test is skipped and says which server it wants and how to get it; on
CI (`CI=true`) a missing server is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from openfeature_triton.dashboard.demo.errors import TritonUnavailableError
from openfeature_triton.dashboard.demo.model_server import cache_folder
from openfeature_triton.dashboard.demo.triton_installation import Installation, find_triton
from openfeature_triton.dashboard.demo.triton_server import (
    Model,
    RunningTriton,
    running_triton,
)

CREDENTIAL = "sentinel-credential-of-triton"
_MODEL = Path(__file__).parent / "integration" / "models" / "model.py"


def missing(server: str, problem: str, advice: str) -> NoReturn:
    """Skip a test that wants a server; fail it on CI."""
    said = f"NEEDS {server}: {problem} — {advice}"
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(said)
    pytest.skip(said)


def triton_installation() -> Installation:
    """Find a real Triton, or fetch it once into the user's cache."""
    try:
        return find_triton(cache_folder(), print)
    except TritonUnavailableError as error:
        missing(
            "Triton",
            str(error),
            "put tritonserver on the PATH, or let pip reach nvidia-pytriton (Linux x86-64)",
        )


def deterministic_model(name: str, behaviour: str) -> Model:
    """A model that does with its INT16 tensor `audio` what its behaviour says.

    `echo` gives its bytes back as the UINT8 tensor `text`; `fail` refuses; `sleep` takes as many
    ms as the first sample says, then echoes.
    """
    return Model(
        name=name,
        files={"model.py": _MODEL},
        inputs={"audio": "INT16"},
        outputs={"text": "UINT8"},
        parameters={"behaviour": behaviour},
    )


@contextmanager
def triton(*models: Model, ports: tuple[int, int] | None = None) -> Iterator[RunningTriton]:
    """A real Triton with these models, its inference restricted to `CREDENTIAL`."""
    with running_triton(triton_installation(), models, CREDENTIAL, ports) as running:
        yield running
