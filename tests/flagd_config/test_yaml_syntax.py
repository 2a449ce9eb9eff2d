from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openfeature_triton.flagd_config import yaml_syntax
from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.syntax import parse


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with libyaml and without it: not every wheel of PyYAML brings it."""
    if not hasattr(yaml, request.param):
        pytest.skip(f"this PyYAML has no {request.param}: install one built with libyaml")
    monkeypatch.setattr(yaml_syntax, "_LOADER", getattr(yaml, request.param))


def _parse(text: str) -> Any:
    return parse(text, source="flags.yaml", yaml=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("2026-11-24", "2026-11-24"),
        ("12:30", "12:30"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_are_read_as_yaml_1_2(text: str, value: object) -> None:
    """Only true and false are booleans, dates stay text, as flagd reads them."""
    assert _parse(f"x: {text}") == {"x": value}


def test_keys_that_yaml_1_1_takes_for_booleans() -> None:
    """Variants named on and off keep their names."""
    assert _parse("on: 1\noff: 2") == {"on": 1, "off": 2}


def test_anchors_and_merges() -> None:
    """Aliases repeat a value; `<<` merges mappings, whose own keys and first mapping win."""
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\nd: [*a, *a]"
    document = _parse(text)
    assert document["c"] == {"x": 1, "y": 3, "z": 2}
    assert document["d"] == [{"x": 1, "y": 1}] * 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\na: 2", 2, "twice"),
        ("a: 1\n1: 2", 2, "a key must be text"),
        ("[1]: 2", 1, "a key must be text"),
        ("a:\n - 010", 2, "disagree"),
        ("a: 0x1F", 1, "disagree"),
        ("a: 1_000", 1, "disagree"),
        ("a: .inf", 1, "disagree"),
        ("a: !!binary aGk=", 1, "has no meaning"),
        ("a: !Ref x", 1, "has no meaning"),
        ("a: !!set {x}", 1, "has no meaning"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: &x [*x]", 1, "no finished anchor"),
        ("a: *x", 1, "no finished anchor"),
        ("<<: 3", 1, "merges mappings only"),
        ("a: [1,\n", 2, "not YAML"),
        ("a: 1\n b: 2", 2, "not YAML"),
    ],
)
def test_errors_have_their_line(text: str, line: int, says: str) -> None:
    """What has no one meaning is refused at its line."""
    with pytest.raises(FlagFileError) as caught:
        _parse(text)
    assert says in caught.value.problem
    assert caught.value.line == line


@pytest.mark.parametrize("text", ["[" * 50_000, "- " * 50_000, "{a: " * 200 + "}" * 200])
def test_deep_nesting_is_refused(text: str) -> None:
    """Nesting that crashes libyaml's own composer is an error."""
    with pytest.raises(FlagFileError, match="levels deep"):
        _parse(text)


def test_aliases_that_multiply_are_refused() -> None:
    """Aliases of aliases cannot fill the memory."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(FlagFileError, match="values once aliases"):
        _parse("\n".join(lines))


def test_byte_order_mark_and_comments_are_yaml() -> None:
    """YAML allows a byte order mark; a file of comments holds null."""
    assert _parse("\ufeffflags: {}") == {"flags": {}}
    assert _parse("# nothing yet") is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<on"), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_json_is_yaml(value: object) -> None:
    """Values written as JSON are read from YAML as they are."""
    text = json.dumps({"x": value}, ensure_ascii=False)
    assert yaml_syntax.parse_yaml(text, Place("f")) == {"x": value}
