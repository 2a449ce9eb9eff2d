from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.flagd_config import example
from openfeature_triton.flagd_config.flag_text import FlagText, Path
from openfeature_triton.flagd_config.places import NoSuchPlaceError
from openfeature_triton.flagd_config.syntax import parse

KEY = {"json": "nmt-indictrans3", "yaml": "ner-span-model"}
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


def _text(kind: str) -> FlagText:
    return FlagText(example("nmt" if kind == "json" else "ner").read_text(), yaml=kind == "yaml")


def _value(text: FlagText, kind: str) -> Any:
    return parse(text.text, source="f", yaml=kind == "yaml")


def _paths(value: Any, path: Path = ()) -> list[Path]:
    """Give the path of each value in a value."""
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path, *(each for name, child in children for each in _paths(child, (*path, name)))]


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


@given(st.data(), VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_value_of_json_is_found_and_replaced(
    data: st.DataObject, value: Any, indent: Any, ascii_only: bool
) -> None:
    """Whatever the formatting, tabs too, the value at a path is replaced and nothing else."""
    text = FlagText(json.dumps(value, indent=indent, ensure_ascii=ascii_only), yaml=False)
    path = data.draw(st.sampled_from(_paths(value)))
    text.set(path, "new")
    changed = json.loads(text.text)
    assert _at(changed, path) == "new"
    if path:
        expected: Any = json.loads(json.dumps(value))
        _at(expected, path[:-1])[path[-1]] = "new"
        assert changed == expected


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_a_rule_is_wrapped_and_lifted_again(kind: str) -> None:
    """Wrapping keeps the rule's own lines, and lifting puts back each byte."""
    text = _text(kind)
    before, path = _value(text, kind), ("flags", KEY[kind], "targeting")
    original = text.text
    text.wrap(path, {"<": [{"var": "$flagd.timestamp"}, 5]})
    assert _at(_value(text, kind), path) == {
        "if": [{"<": [{"var": "$flagd.timestamp"}, 5]}, _at(before, path)]
    }
    assert original.count("#") == text.text.count("#")
    text.lift(path, ("if", 1))
    assert text.text == original


@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_new_member_is_written_as_its_neighbours(kind: str, line_end: str) -> None:
    """A member that is added stands first, on a line of its own where they do."""
    text = FlagText(_text(kind).text.replace("\n", line_end), yaml=kind == "yaml")
    lines = text.text.count("\n")
    text.set(("flags", KEY[kind], "description"), "ü")
    flag = _value(text, kind)["flags"][KEY[kind]]
    assert next(iter(flag)) == "description"
    assert flag["description"] == "ü"
    assert text.text.count("\n") == lines + 1
    assert text.text.count("\r\n") == (lines + 1 if line_end == "\r\n" else 0)


def test_comments_after_a_block_stay_with_what_follows() -> None:
    """A block of YAML ends with its last value."""
    text = FlagText("a:\n  b:\n    - 1  # one\n  # of c\n  c: 2\n", yaml=True)
    text.set(("a", "b"), 5)
    assert text.text == "a:\n  b:\n    5  # one\n  # of c\n  c: 2\n"


def test_a_value_that_nobody_wrote_is_written() -> None:
    """YAML's null may be nothing at all."""
    text = FlagText("a:\nb: 1\n", yaml=True)
    text.set(("a",), 5)
    assert parse(text.text, source="f", yaml=True) == {"a": 5, "b": 1}


@pytest.mark.parametrize("yaml", [True, False])
@pytest.mark.parametrize("path", [("b", "c"), ("a", 3), ("a", "x"), ("s", 0)])
def test_what_is_not_there_is_said(yaml: bool, path: Path) -> None:
    """A path that leads nowhere names the step, or that there is nothing to add to."""
    text = FlagText('{"a": [1], "s": "t", "b": {}}', yaml=yaml)
    with pytest.raises(NoSuchPlaceError):
        text.set(path, 1)
