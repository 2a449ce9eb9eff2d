from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core.model import FlagStore

from openfeature_triton.flagd_config import FlagFileError, parse_document

NAMES = ("a", "b", "c")
REFERENCES = st.sampled_from([*NAMES, "unknown"]).map(lambda name: {"$ref": name})
RULES = st.recursive(
    st.booleans() | st.sampled_from(["x", "y"]) | REFERENCES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: {"and": items})
        | st.dictionaries(st.sampled_from(["$ref", "k", "l"]), inner, min_size=2, max_size=3)
    ),
    max_leaves=8,
)


def _document(evaluators: dict[str, Any], rule: Any) -> dict[str, Any]:
    flag = {"state": "ENABLED", "variants": {"x": {"value": rule}}, "targeting": {"if": [rule]}}
    return {"$evaluators": evaluators, "flags": {"f": flag}}


@given(st.permutations(NAMES), st.lists(RULES, min_size=3, max_size=3), RULES)
def test_same_as_flagd_core(names: list[str], rules: list[Any], rule: Any) -> None:
    """References are replaced as flagd-core does in the text; what it leaves over is an error."""
    document = _document(dict(zip(names, rules, strict=True)), rule)
    store = FlagStore()
    store.update(json.loads(json.dumps(document)))
    reference = store.flags["f"]
    left_over = _has_reference(reference.targeting)
    if left_over:
        with pytest.raises(FlagFileError):
            parse_document(json.dumps(document), source="f")
    else:
        ours = parse_document(json.dumps(document), source="f").flags["f"]
        assert ours["targeting"] == reference.targeting
        assert ours["variants"] == reference.variants


def _has_reference(value: Any) -> bool:
    if isinstance(value, dict):
        return list(value) == ["$ref"] or any(map(_has_reference, value.values()))
    return isinstance(value, list) and any(map(_has_reference, value))


def test_rules_with_backslashes_and_other_alphabets() -> None:
    """A rule that flagd-core's text replacement garbles is resolved to what it says."""
    rule = {"==": [{"var": "name"}, "\\d हिन्दी \n"]}
    document = parse_document(json.dumps(_document({"r": rule}, {"$ref": "r"})), source="f")
    assert document.flags["f"]["targeting"] == {"if": [rule]}


def test_references_that_multiply_are_refused() -> None:
    """Rules that refer to each other many times cannot fill the memory."""
    rules = {f"r{i}": {"and": [{"$ref": f"r{i + 1}"}] * 10} for i in range(9)}
    rules["r9"] = {"and": []}
    with pytest.raises(FlagFileError, match="are replaced"):
        parse_document(json.dumps(_document(rules, {"$ref": "r0"})), source="f")


def test_resolved_rules_are_copies() -> None:
    """Two flags that share a rule do not share its object."""
    document = _document({"r": {"and": [True]}}, {"$ref": "r"})
    document["flags"]["g"] = document["flags"]["f"]
    flags = parse_document(json.dumps(document), source="f").flags
    assert flags["f"]["targeting"] == flags["g"]["targeting"]
    assert flags["f"]["targeting"]["if"][0] is not flags["g"]["targeting"]["if"][0]
