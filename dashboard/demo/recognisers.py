"""The two recognisers that the demo compares: the same model, searched widely or narrowly."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from openfeature_triton.dashboard.demo.errors import MissingModelsError
from openfeature_triton.dashboard.demo.grammar import GRAMMAR
from openfeature_triton.dashboard.demo.recogniser import Search
from openfeature_triton.dashboard.demo.triton_server import Model

TASK_TYPE = "asr"
INPUT, OUTPUT = "audio", "text"

SEARCHES: dict[str, Search] = {
    "asr-careful": {
        "beam": 1e-80,
        "pbeam": 1e-80,
        "wbeam": 1e-40,
        "topn": 8,
        "compallsen": True,
        "bestpath": False,
    },
    "asr-fast": {
        "beam": 1e-30,
        "pbeam": 1e-30,
        "wbeam": 1e-20,
        "topn": 2,
        "ds": 2,
        "bestpath": False,
    },
}
"""Service id, which is the model's name too → how it searches."""


def require_models() -> None:
    """Raise MissingModelsError where the speech models are not installed."""
    for module in ("pocketsphinx", "espeakng_loader"):
        if importlib.util.find_spec(module) is None:
            raise MissingModelsError(f"the Python package {module} is not installed")


def triton_models() -> tuple[Model, ...]:
    """Give the recognisers as models of Triton's Python backend."""
    here = Path(__file__).parent
    return tuple(
        Model(
            name=name,
            files={"model.py": here / "triton_model.py", "recogniser.py": here / "recogniser.py"},
            inputs={INPUT: "INT16"},
            outputs={OUTPUT: "UINT8"},
            parameters={"grammar": GRAMMAR, "search": json.dumps(search)},
        )
        for name, search in SEARCHES.items()
    )
