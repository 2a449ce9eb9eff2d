"""Hypothesis strategies for flags whose targeting uses all that flagd's JSON Logic has."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.provider.request_contexts import NUMBERS, TEXTS, VERSIONS

Rule = Any

VARIANTS: dict[str, Any] = {
    "control": {"service": "nmt-2"},
    "treatment": {"service": "nmt-3", "x": [1, {"y": None}]},
    "text": "apple",
    "true": True,
    "false": False,
    "7": 7,
    "half": 0.5,
    "größe": "名前",
    "null": None,
}
EVALUATORS: dict[str, Rule] = {
    "is_beta": {"or": [{"==": [{"var": "beta"}, True]}, {"ends_with": [{"var": "email"}, ".org"]}]},
    "adult": {">=": [{"var": "age"}, 18]},
    "indic": {"in": [{"var": "language"}, ["hi", "ta"]]},
}
# fmt: off
NAMES = ("language", "task_type", "tier", "email", "version", "age", "beta", "tags", "größe",
         "名前", "user.name", "user.roles", "user.roles.0", "user.roles.length", "user.",
         "user.missing.deep", "missing", "anything", "email.length", "email.0", "targetingKey",
         "$flagd.flagKey")
# fmt: on

texts = st.sampled_from(TEXTS)
constants = st.one_of(texts, st.sampled_from(NUMBERS), st.booleans(), st.none())
names = st.sampled_from(NAMES)
variables = st.one_of(
    names.map(lambda name: {"var": name}),
    names.map(lambda name: {"var": [name]}),
    st.tuples(names, constants).map(lambda pair: {"var": list(pair)}),
)
operands = st.one_of(variables, variables, constants)


def _operation(name: str, *arguments: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return st.tuples(*arguments).map(lambda drawn: {name: list(drawn)})


_compare = ("==", "!=", "===", "!==", "<", "<=", ">", ">=")
_semver = ("=", "!=", "<", "<=", ">", ">=", "^", "~", "?")
numbers = st.one_of(
    variables,
    st.sampled_from(NUMBERS),
    *[_operation(name, operands, operands) for name in ("+", "-", "*", "/", "%", "min", "max")],
)
lists = st.one_of(
    st.lists(constants, max_size=4),
    st.lists(texts, max_size=5),
    st.just({"var": "tags"}),
    st.just({"var": "user.roles"}),
    _operation("merge", operands, st.lists(constants, max_size=2)),
    _operation("filter", st.just({"var": "tags"}), st.just({"!": [{"var": ""}]})),
    _operation("map", st.just({"var": "tags"}), st.just({"+": [{"var": ""}, 1]})),
)
# The tests that experiments are made of.
usual_tests = st.one_of(
    st.sampled_from(("nmt", "asr")).map(lambda text: {"==": [{"var": "task_type"}, text]}),
    st.lists(texts, max_size=6).map(lambda listed: {"in": [{"var": "language"}, listed]}),
)
tests_of_values = st.one_of(
    usual_tests,
    usual_tests.flatmap(lambda one: usual_tests.map(lambda other: {"and": [one, other]})),
    *[_operation(name, operands, operands) for name in _compare],
    _operation("<", operands, numbers, operands),
    _operation("in", operands, lists),
    _operation("in", operands, texts),
    usual_tests.map(lambda test: {"in": [test, [True, "hi"]]}),
    usual_tests.map(lambda test: {"==": [test, "true"]}),
    usual_tests.flatmap(lambda one: usual_tests.map(lambda other: {"or": [one, other]})),
    _operation("in", texts, variables),
    _operation("starts_with", operands, operands),
    _operation("ends_with", operands, texts),
    _operation("starts_with", variables, texts),
    _operation(
        "sem_ver", st.just({"var": "version"}), st.sampled_from(_semver), st.sampled_from(VERSIONS)
    ),
    _operation("sem_ver", operands, st.sampled_from(_semver), operands),
    _operation("missing", names, names),
    _operation("missing_some", st.integers(0, 2), st.lists(names, max_size=3)),
    _operation("some", lists, st.just({"==": [{"var": ""}, "hi"]})),
    _operation("all", lists, st.just({"!!": [{"var": ""}]})),
    _operation("none", lists, st.just({"var": ""})),
    st.sampled_from(sorted(EVALUATORS)).map(lambda name: {"$ref": name}),
    operands,
    numbers,
)
conditions = st.recursive(
    tests_of_values,
    lambda inner: st.one_of(
        st.lists(inner, min_size=0, max_size=3).map(lambda each: {"and": each}),
        st.lists(inner, min_size=0, max_size=3).map(lambda each: {"or": each}),
        inner.map(lambda one: {"!": [one]}),
        inner.map(lambda one: {"!!": one}),
        _operation("if", inner, inner, inner),
        _operation("?:", inner, inner),
    ),
    max_leaves=6,
)


def cats(joined: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    """Texts put together."""
    return st.lists(joined, max_size=3).map(lambda parts: {"cat": parts})


variant_names = st.one_of(
    st.sampled_from(sorted(VARIANTS)), st.sampled_from(("no such", "", None, True, 7, 0.5))
)
weights = st.one_of(
    st.integers(0, 100),
    st.sampled_from((0, 0, 1, 2**31 - 1, 2**31, 10**12, -1, -50)),
)


def shares(
    variants: st.SearchStrategy[Rule], weighed: st.SearchStrategy[Rule]
) -> st.SearchStrategy[list[Rule]]:
    """The shares of a split; the weight may be left out."""
    share = st.one_of(st.tuples(variants, weighed).map(list), variants.map(lambda one: [one]))
    return st.lists(share, min_size=1, max_size=4)


def splits(
    by: st.SearchStrategy[Rule], shares_of: st.SearchStrategy[list[Rule]]
) -> st.SearchStrategy[Rule]:
    """Splits by the targeting key or by an expression."""
    return st.one_of(
        shares_of.map(lambda each: {"fractional": each}),
        st.tuples(by, shares_of).map(lambda pair: {"fractional": [pair[0], *pair[1]]}),
    )


def rules(split: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    """Targeting: nested conditions whose ends are variants and splits."""
    ends = st.one_of(split, split, variant_names, operands)
    return st.recursive(
        ends,
        lambda inner: st.one_of(
            _operation("if", conditions, inner),
            _operation("if", conditions, inner, inner),
            _operation("if", conditions, inner, conditions, inner, inner),
            _operation("and", conditions, inner),
            _operation("or", conditions, inner),
        ),
        max_leaves=4,
    ).filter(lambda rule: isinstance(rule, dict))


def flags(split: st.SearchStrategy[Rule]) -> st.SearchStrategy[dict[str, Any]]:
    """Whole flags, most of them enabled and targeted."""
    return st.fixed_dictionaries(
        {
            "state": st.sampled_from(("ENABLED",) * 9 + ("DISABLED",)),
            "variants": st.just(VARIANTS),
            "defaultVariant": st.sampled_from(
                (None, "control", "text", True, "", "absent", "null")
            ),
            "targeting": st.one_of(rules(split), rules(split), rules(split), st.just({})),
            "metadata": st.just({"owner": "größe", "n": 1}),
        }
    )


# What v3 takes: any value to bucket by, any weight.
V3_FLAGS = flags(
    splits(
        st.one_of(operands, cats(operands), conditions, lists),
        shares(
            st.one_of(variant_names, conditions),
            st.one_of(
                weights, weights, weights, st.sampled_from((50.0, 33.3, "1", None, True)), numbers
            ),
        ),
    )
)

# What flagd's v2 and flagd-core 1 agree on: texts to bucket by, no weight such as 50.0.
_v2_by = st.sampled_from(
    (
        {"var": ["email", "nobody"]},
        {"var": ["task_type", "größe"]},
        {"cat": [{"var": "$flagd.flagKey"}, {"var": ["email", "名前"]}]},
        {"cat": ["a", 7, {"var": ["task_type", "😀"]}]},
        {"if": [{"var": "beta"}, "beta users", {"var": ["email", "nobody"]}]},
        "everybody",
    )
)
V2_FLAGS = flags(
    splits(
        _v2_by,
        shares(
            st.one_of(variant_names, tests_of_values.map(lambda test: {"!": [test]})),
            st.one_of(weights, weights, weights, st.sampled_from((33.3, -0.5, "1", True, [1]))),
        ),
    )
)
