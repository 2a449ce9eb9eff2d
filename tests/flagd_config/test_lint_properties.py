from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfeature_triton.flagd_config import (
    FlagFileError,
    example,
    example_task_types,
    parse_document,
)
from openfeature_triton.flagd_config.lint import lint_text
from openfeature_triton.flagd_config.reference import evaluate

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ("state", "variants", "defaultVariant", "targeting", "metadata")
CONDITIONS = st.recursive(
    st.sampled_from(
        [
            {"==": [{"var": "task_type"}, "nmt"]},
            {"in": [{"var": "language"}, ["hi", "ta"]]},
            {"starts_with": [{"var": "language"}, "h"]},
            {">": [{"var": "age"}, 3]},
            {"%": [{"var": "age"}, 2]},
            {"sem_ver": [{"var": "version"}, ">=", "1.0.0"]},
            {"!": [{"var": "beta"}]},
            {"substr": [{"var": "language"}, 0, 1]},
        ]
    ),
    lambda inner: st.builds(
        lambda name, items: {name: items},
        st.sampled_from(["and", "or", "!", "if"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
WEIGHTS = st.integers(-1, 100) | st.sampled_from([0, 50.0, None, True, "50", 2**31])
NAMES = st.sampled_from(["control", "treatment", "other"])
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "task_type": st.just("nmt"),
        "language": st.sampled_from(["hi", "de", ""]),
        "targetingKey": st.text(max_size=5),
    },
)


def _experiment(condition: Any, shares: list[Any], default: Any) -> str:
    document = json.loads(example("nmt").read_text())
    flag = document["flags"]["nmt-indictrans3"]
    flag["targeting"] = {"if": [condition, {"fractional": shares}]}
    flag["defaultVariant"] = default
    return json.dumps(document)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, st.lists(st.tuples(NAMES, WEIGHTS), max_size=3), st.none() | NAMES, CONTEXTS)
def test_what_lint_calls_clean_evaluates(
    condition: Any, shares: list[Any], default: Any, context: dict[str, Any]
) -> None:
    """No request of a clean experiment raises or is given a variant that is not there."""
    text = _experiment(condition, shares, default)
    report = lint_text(text, source="flags.json")
    if not report.clean:
        return
    (flag,) = json.loads(text)["flags"].values()
    result = evaluate(flag["targeting"], context, "nmt-indictrans3", "v3")
    assert result is None or result in flag["variants"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FIELDS), JUNK)
def test_what_is_refused_is_reported(field: str, junk: Any) -> None:
    """A flag that the reader refuses has a finding, whatever stands in it."""
    document = json.loads(example("nmt").read_text())
    document["flags"]["nmt-indictrans3"][field] = junk
    text = json.dumps(document)
    report = lint_text(text, source="flags.json")
    try:
        parse_document(text, source="flags.json")
    except FlagFileError:
        assert not report.clean


@settings(max_examples=150, deadline=None)
@given(JUNK)
def test_any_value_is_only_findings(junk: Any) -> None:
    """Whatever JSON holds, and wherever, is findings and no traceback."""
    for value in (junk, {"flags": junk}, {"flags": {"f": junk}, "$evaluators": junk}):
        lint_text(json.dumps(value), source="flags.json")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_is_only_findings(data: st.DataObject) -> None:
    """A file cut off, or with bytes exchanged, is findings and no traceback, JSON and YAML."""
    task_type = data.draw(st.sampled_from(example_task_types()))
    path = example(task_type)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    lint_text(cut, source="flags", yaml=path.suffix == ".yaml")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"flags": ' * 500 + "1" + "}" * 500,
        '{"flags": {"f": {"a": 1' + "0" * 5000 + "}}}",
        '{"flags": {"\\ud800": {}}}',
        '{"flags": {"f": {"state": "ENABLED", "variants": {"a": NaN}}}}',
        '{"a": 1, "a": {"b": 1, "b": 2}, "flags": {"f": null, "f": 1}}',
        '{"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}, "targeting": {"if": []}}}}',
        '{"flags": {"f": {"state": [], "variants": {"a": 1}}}}',
        "\ufeff{}",
    ],
)
def test_hostile_documents_are_only_findings(text: str) -> None:
    """Deep, huge, doubled and half characters end in findings."""
    assert lint_text(text, source="flags").findings
    lint_text(text, source="flags", yaml=True)  # where NaN is a text
