from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore

from openfeature_triton.flagd_config import (
    Document,
    FlagFileError,
    example,
    parse_document,
    read_document,
)

FLAG = json.loads(example("asr").read_text())["flags"]["asr-fast-beam"]


def _flag(task_type: str, priority: int) -> dict[str, Any]:
    return {**FLAG, "metadata": {**FLAG["metadata"], "task_type": task_type, "priority": priority}}


def test_experiments_are_ordered_as_requests_ask_them() -> None:
    """Experiments go by task type, then priority, then key."""
    flags = {
        "d": _flag("nmt", 1),
        "c": _flag("asr", 100),
        "b": _flag("asr", 100),
        "a": _flag("asr", 200),
        "z": _flag("asr", -1),
    }
    document = parse_document(json.dumps({"flags": flags}), source="f")
    assert list(document.experiments) == ["z", "b", "c", "a", "d"]
    assert [experiment.key for experiment in document.of_task("asr")] == ["z", "b", "c", "a"]
    assert document.of_task("tts") == ()


def test_as_flagd_is_fresh_each_time() -> None:
    """flagd-core changes the document it is given, and ours stays as it was."""
    document = read_document(example("asr"))
    before = json.dumps(document.flags)
    FlagdCore().set_flags(document.as_flagd())
    document.as_flagd()["flags"]["asr-fast-beam"]["targeting"].clear()
    assert json.dumps(document.flags) == before


def test_no_flags_at_all_is_a_document() -> None:
    """`{"flags": {}}` says on purpose that there are no flags."""
    document = parse_document('{"flags": {}, "metadata": {"set": "x"}}', source="f")
    assert (document.flags, document.experiments) == ({}, {})
    assert document.metadata == {"set": "x"}


@pytest.mark.parametrize("name", ["flags.yaml", "flags.yml", "FLAGS.YAML"])
def test_yaml_by_suffix(tmp_path: Path, name: str) -> None:
    """A file is YAML where its suffix says so."""
    path = tmp_path / name
    path.write_text("flags: {on: {state: ENABLED, variants: {on: 1}}}")
    assert list(read_document(path).flags) == ["on"]


def test_yaml_and_json_give_the_same() -> None:
    """The syntax of the file is no part of an experiment."""
    text = json.dumps({"flags": {"f": FLAG}})
    as_json = parse_document(text, source="f")
    assert parse_document(text, source="f", yaml=True) == as_json


def test_unknown_bucketing_is_a_mistake_of_the_caller() -> None:
    """Only the generations v2 and v3 can be asked for."""
    with pytest.raises(ValueError, match="v2, v3"):
        parse_document('{"flags": {}}', source="f", bucketing="v1")


def test_a_document_can_go_to_another_process() -> None:
    """A document can be pickled."""
    document = read_document(example("ner"))
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 our own bytes


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["ENABLED", "DISABLED", "control", "treatment", "asr", "user"])
)
FIELDS = st.sampled_from(
    [
        *("flags", "state", "variants", "defaultVariant", "targeting", "metadata", "$evaluators"),
        *("$ref", "fractional", "if", "and", "in", "==", "var", "language", "f", "service"),
        *("experiment", "control", "treatment", "task_type", "unit", "priority"),
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def mutated_documents(draw: st.DrawFn) -> Any:
    """Give an example with anything at one of its places."""
    document: Any = json.loads(example(draw(st.sampled_from(["asr", "ocr"]))).read_text())
    inner = document
    while True:
        steps = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        step = draw(st.sampled_from(steps))
        deeper = inner[step]
        if not isinstance(deeper, (dict, list)) or not deeper or draw(st.booleans()):
            inner[step] = draw(ANYTHING)
            return document
        inner = deeper


def _document_or_error(text: bytes, *, yaml: bool = False) -> Document | FlagFileError:
    """Give what reading makes of a text; any other exception fails the test."""
    try:
        return parse_document(text, source="f", yaml=yaml)
    except FlagFileError as error:
        return error


@given(mutated_documents() | st.builds(lambda flag: {"flags": {"f": flag}}, ANYTHING) | ANYTHING)
def test_whatever_it_is_it_is_a_document_or_a_clear_error(value: Any) -> None:
    """No document makes anything but a FlagFileError, and flagd-core takes what we take."""
    found = _document_or_error(json.dumps(value).encode())
    if isinstance(found, Document):
        FlagdCore().set_flags(found.as_flagd())
    else:
        assert str(found).isprintable()


@given(mutated_documents())
def test_what_flagd_core_refuses_is_refused(value: Any) -> None:
    """A document that flagd-core refuses is never taken."""
    text = json.dumps(value)
    try:
        FlagdCore().set_flags(json.loads(text))
    except Exception:  # noqa: BLE001 it raises whatever comes
        if "$evaluators" in text and isinstance(value, dict) and value.get("$evaluators"):
            return  # its text replacement also breaks on rules that mean something
        with pytest.raises(FlagFileError):
            parse_document(text, source="f")


ASR = example("asr").read_bytes()
NER = example("ner").read_bytes()


@given(st.integers(0, len(ASR)), st.binary(max_size=6), st.integers(0, 20))
def test_damaged_json(start: int, junk: bytes, cut: int) -> None:
    """Damaged bytes are a document or a FlagFileError."""
    found = _document_or_error(ASR[:start] + junk + ASR[start + cut :])
    assert isinstance(found, Document) or str(found).isprintable()


@given(st.integers(0, len(NER)), st.binary(max_size=6), st.integers(0, 20))
def test_damaged_yaml(start: int, junk: bytes, cut: int) -> None:
    """Damaged YAML is a document or a FlagFileError."""
    found = _document_or_error(NER[:start] + junk + NER[start + cut :], yaml=True)
    assert isinstance(found, Document) or str(found).isprintable()


@given(st.integers(0, len(ASR.rstrip()) - 1))
def test_every_truncation_is_an_error(length: int) -> None:
    """A file cut off anywhere is never taken."""
    with pytest.raises(FlagFileError):
        parse_document(ASR[:length], source="f")
