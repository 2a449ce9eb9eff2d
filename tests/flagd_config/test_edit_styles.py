"""Edits of files in whatever style: what was meant is done, nothing else, and all is taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from openfeature_triton.flagd_config import (
    Document,
    FlagFileError,
    audit,
    example,
    life_cycle,
    read_document,
)
from openfeature_triton.flagd_config.dates import Dates
from openfeature_triton.flagd_config.life_cycle import conclude, ramp, schedule, step, undo

KEYS = {"nmt": "nmt-indictrans3", "ner": "ner-span-model", "asr": "asr-fast-beam"}

json_styles = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 1, 2, 4, "\t"]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
        "sort_keys": st.booleans(),
    }
)
yaml_styles = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([True, False, None]),
        "indent": st.sampled_from([2, 3, 4, 8]),
        "width": st.sampled_from([20, 80, 1000]),
        "sort_keys": st.booleans(),
        "explicit_start": st.booleans(),
        "default_style": st.sampled_from([None, '"', "'"]),
    }
)
moments = st.none() | st.integers(1_700_000_000, 1_900_000_000)
edits = st.lists(
    st.one_of(
        st.sampled_from([("pause",), ("resume",), ("stop",), ("cancel",), ("start",)]),
        st.tuples(st.just("ramp"), st.integers(0, 100)),
        st.tuples(st.just("schedule"), moments, moments),
        st.just(("conclude",)),
    ),
    min_size=1,
    max_size=5,
)


def _written(task: str, style: dict[str, Any], suffix: str) -> str:
    path = example(task)
    text = path.read_text()
    document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    if suffix == ".json":
        return json.dumps(document, **style)
    if style["default_style"]:  # every scalar quoted would make numbers texts
        style = {**style, "default_style": None, "default_flow_style": False}
    return str(yaml.safe_dump(document, **style))


def _edit(path: Path, key: str, edit: tuple[Any, ...]) -> None:
    name, *said = edit
    if name == "ramp":
        control = read_document(path).experiments[key].control
        ramp(path, key, {control: said[0]}, "")
    elif name == "schedule":
        schedule(path, key, Dates(*said), "")
    elif name == "conclude":
        conclude(path, key, read_document(path).experiments[key].control, "")
    else:
        step(path, key, name, "")


def _check(before: Document, after: Document, key: str, edit: tuple[Any, ...]) -> None:
    """See that the edit did what it says."""
    was, name = before.experiments[key], edit[0]
    if name == "conclude":
        assert after.shipped[key].winner == was.control
        assert "$flagd.timestamp" not in json.dumps(after.flags[key])
        return
    now = after.experiments[key]
    same = {"services", "languages", "task_type", "control", "unit"}
    assert all(getattr(now, each) == getattr(was, each) for each in same)
    if name == "ramp":
        share = now.weights[now.control] / sum(now.weights.values())
        assert share == pytest.approx(edit[1] / 100)
        assert (now.dates, now.state) == (was.dates, was.state)
    elif name == "schedule":
        start, end = edit[1:]
        assert now.dates == Dates(
            was.dates.start if start is None else start, was.dates.end if end is None else end
        )
        assert now.phase == was.phase
    else:
        assert life_cycle.status(now) == life_cycle.STEPS[name][1]
        assert (now.weights, now.dates) == (was.weights, was.dates)


@settings(max_examples=120, deadline=None)
@given(
    task=st.sampled_from(sorted(KEYS)),
    style=st.one_of(
        st.tuples(st.just(".json"), json_styles), st.tuples(st.just(".yaml"), yaml_styles)
    ),
    done=edits,
)
def test_edits_in_any_style(
    tmp_path_factory: pytest.TempPathFactory,
    task: str,
    style: tuple[str, dict[str, Any]],
    done: list[tuple[Any, ...]],
) -> None:
    """An edit is made as meant or refused, and the last one is undone to the byte."""
    suffix, options = style
    path, key = tmp_path_factory.mktemp("style") / f"flags{suffix}", KEYS[task]
    path.write_text(_written(task, options, suffix))
    contents = [path.read_bytes()]
    for edit in done:
        before = read_document(path)
        try:
            _edit(path, key, edit)
        except (FlagFileError, KeyError, ValueError):
            assert path.read_bytes() == contents[-1]
            continue
        _check(before, read_document(path), key, edit)
        contents.append(path.read_bytes())
    assert len(audit.read(path)) == len(contents) - 1
    if len(contents) > 1:
        undo(path, "")
        assert path.read_bytes() == contents[-2]
