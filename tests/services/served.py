"""Which real model serves each service of the example flag files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from openfeature_triton.dashboard.demo.recognisers import triton_models
from openfeature_triton.dashboard.demo.triton_server import Model

_FOLDER = Path(__file__).parent / "models"


def models(task_type: str) -> tuple[Model, ...]:
    """Give the models of a task type, each named as its service."""
    return _MODELS[task_type]


def _speaker(name: str, **parameters: str) -> Model:
    return Model(
        name=name,
        files={"model.py": _FOLDER / "speak.py"},
        inputs={"text": "UINT8", "language": "UINT8"},
        outputs={"audio": "INT16", "sample_rate_hz": "INT32"},
        parameters=parameters,
    )


def _reader(name: str, layout: str) -> Model:
    return Model(
        name=name,
        files={"model.py": _FOLDER / "read.py"},
        inputs={"picture": "UINT8"},
        outputs={"text": "UINT8", "confidence": "FP32"},
        parameters={"layout": layout},
    )


def _text_model(name: str, rules: str, skill: str) -> Model:
    return Model(
        name=name,
        files={"model.py": _FOLDER / "text_model.py", "rules.py": _FOLDER / rules},
        inputs={"text": "UINT8", "language": "UINT8"},
        outputs={"answer": "UINT8"},
        parameters={"skill": skill},
    )


_MODELS: Mapping[str, tuple[Model, ...]] = {
    "asr": triton_models(),
    "tts": (
        _speaker("tts-fastpitch", speaker="+m1", rate_wpm="190"),
        _speaker("tts-vits", speaker="+f3", rate_wpm="130"),
    ),
    "ocr": (_reader("ocr-paddle", "no"), _reader("ocr-layout", "yes")),
    "ner": (
        _text_model("ner-tagger", "entities.py", "gazetteer"),
        _text_model("ner-spans", "entities.py", "spans"),
        _text_model("ner-spans-large", "entities.py", "dates"),
    ),
    "nmt": (
        _text_model("nmt-indictrans2", "translation.py", "dictionary"),
        _text_model("nmt-indictrans3", "translation.py", "transliterate"),
    ),
}
