"""The catalogue: which experiment takes a request, found without asking each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagType, Reason

from openfeature_triton.flagd_config import Document, parse_document
from openfeature_triton.provider import RouteReason, Service, TritonProvider
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.guards import Guarded, guarded
from openfeature_triton.provider.rule_compiler import RuleCompiler
from tests.provider.evaluations import reference
from tests.provider.flag_strategies import conditions

LANGUAGES = ("hi", "ta", "en", "")
TASK: Any = {"==": [{"var": "task_type"}, "nmt"]}
HINDI: Any = {"in": [{"var": "language"}, ["hi"]]}
GOLD: Any = {"==": [{"var": "tier"}, "gold"]}
ODD: Any = {"/": [1, {"var": "n"}]}
SPLIT: Any = {"fractional": [["control", 50], ["treatment", 50]]}

language_tests = st.one_of(
    st.sampled_from(LANGUAGES).map(lambda text: {"==": [{"var": "language"}, text]}),
    st.sampled_from(LANGUAGES).map(lambda text: {"===": [text, {"var": ["language"]}]}),
    st.lists(st.sampled_from(LANGUAGES)).map(lambda texts: {"in": [{"var": "language"}, texts]}),
    st.sampled_from(LANGUAGES).map(lambda text: {"starts_with": [{"var": "language"}, text]}),
    st.just({"in": [{"var": "language"}, ["hi", None]]}),
)
all_tests = st.one_of(
    language_tests,
    language_tests,
    st.lists(language_tests, min_size=1, max_size=2).map(lambda tests: {"or": tests}),
    st.just(TASK),
    st.just({"in": [{"var": "task_type"}, ["asr", "nmt"]]}),
    st.just({"==": [{"var": "task_type"}, "asr"]}),
    st.just({"/": [1, 0]}),
    conditions.filter(lambda rule: "$ref" not in json.dumps(rule)),
)
targetings = st.one_of(
    st.lists(all_tests, min_size=1, max_size=4).map(lambda tests: {"if": [{"and": tests}, SPLIT]}),
    all_tests.map(lambda test: {"if": [test, SPLIT]}),
    all_tests.map(lambda test: {"?:": [test, SPLIT, None]}),
    all_tests.map(lambda test: {"if": [test, SPLIT, "control"]}),
    all_tests.map(lambda test: {"and": [test, SPLIT]}),
    st.just(SPLIT),
)
texts = st.sampled_from(LANGUAGES)
asked = st.tuples(
    st.one_of(texts, texts, texts, st.just("fr")),
    st.sampled_from(("r-1", "r-2", "größe", "", None)),
    st.sampled_from(("free", "gold", None)),
)


def document(targetings_of: list[Any], bucketing: str = "v3", **changes: Any) -> Document:
    """Experiments of the task nmt with these targetings, first to last."""
    flags = {
        f"experiment-{number:04}": {
            "state": "ENABLED",
            "variants": {"control": {"service": "nmt-1"}, "treatment": {"service": "nmt-2"}},
            "defaultVariant": None,
            "targeting": targeting,
            "metadata": {"experiment": True, "task_type": "nmt", "control": "control"},
            **changes,
        }
        for number, targeting in enumerate(targetings_of)
    }
    return parse_document(json.dumps({"flags": flags}), source="made", bucketing=bucketing)


def one_by_one(read: Document, context: EvaluationContext) -> tuple[str, str] | RouteReason:
    """Offer a request to all experiments in turn, with the reference's evaluation."""
    reason = RouteReason.NO_MATCH
    for key in read.experiments:
        flagd = read.as_flagd()["flags"][key]
        found = reference({"flags": {key: flagd}})(FlagType.OBJECT, key, {}, context)
        if found.error_code is not None:
            reason = RouteReason.FLAG_ERROR
        elif found.reason == Reason.TARGETING_MATCH and found.variant is not None:
            return key, found.variant
    return reason


def assigned(
    read: Document, language: str, key: str | None, says: dict[str, Any]
) -> tuple[str, str] | RouteReason:
    """What the catalogue makes of a request."""
    found = made({}, read).assign("nmt", language, key, says)
    return found if isinstance(found, RouteReason) else (found.experiment, found.variant)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a strategy
@settings(
    deadline=None, derandomize=True, max_examples=400, suppress_health_check=list(HealthCheck)
)
@given(rules=st.lists(targetings, min_size=1, max_size=4), says=asked)
def test_the_first_that_matches_wins_as_if_each_were_asked(
    rules: list[Any], says: tuple[str, Any, Any]
) -> None:
    """The index by language changes nothing: same experiment, or same reason for none."""
    language, key, tier = says
    read = document(rules)
    attributes = {"task_type": "nmt", "language": language, "tier": tier}
    if language:
        attributes["language_primary"] = language
    context = EvaluationContext(key, attributes)
    wanted = one_by_one(read, context)
    assert assigned(read, language, key, {"tier": tier}) == wanted


def test_what_only_compares_equal_to_a_text_is_offered_to_everyone() -> None:
    """`["gold"] == "gold"` in JSON Logic, so no index by texts may hide the experiment."""
    tests = [{"==": [{"var": "tier"}, f"tier-{number}"]} for number in range(9)]
    read = document([{"if": [{"and": [TASK, test]}, SPLIT]} for test in (*tests, GOLD)])
    for tier in ("gold", ["gold"]):
        found = made({}, read).assign("nmt", "hi", "r-1", {"tier": tier})
        assert isinstance(found, Assignment)
        assert found.experiment == "experiment-0009"
    assert made({}, read).assign("nmt", "hi", "r-1") is RouteReason.NO_MATCH


def guards(condition: Any) -> Guarded:
    """The guards of a split under a condition."""
    return guarded(RuleCompiler("key", "v3").compile({"if": [condition, SPLIT]}))


guarding = st.sampled_from(("gold", "free", "basic"))
tier_tests = st.one_of(
    guarding.map(lambda text: {"==": [{"var": "tier"}, text]}),
    guarding.map(lambda text: {"==": [{"var": "tenant"}, text]}),
    st.lists(guarding).map(lambda listed: {"in": [{"var": "tenant"}, listed]}),
    st.lists(guarding).map(lambda listed: {"in": [{"var": "tenant"}, [*listed, None, 1]]}),
    guarding.map(lambda text: {"or": [{"===": [{"var": "tier"}, text]}, {"var": "beta"}]}),
    st.just({"==": [{"var": "language_primary"}, "hi"]}),
    st.just(HINDI),
    st.just({"/": [1, {"var": "n"}]}),
)
many = st.lists(
    st.lists(tier_tests, max_size=3).map(lambda tests: {"if": [{"and": [TASK, *tests]}, SPLIT]}),
    min_size=9,
    max_size=14,
)
tiers = st.sampled_from(("gold", "free", "basic", "none", None, 1, True, ["gold"], {"a": 1}))


@settings(
    deadline=None, derandomize=True, max_examples=300, suppress_health_check=list(HealthCheck)
)
@given(rules=many, tier=tiers, tenant=tiers, key=st.sampled_from(("r-1", "r-2", "")))
def test_many_are_found_by_any_attribute_as_if_each_were_asked(
    rules: list[Any], tier: Any, tenant: Any, key: str
) -> None:
    """Texts, nothing, or what compares equal to a text: same experiment, or same reason."""
    read = document(rules)
    says = {"tier": tier, "tenant": tenant, "n": 1 if tier == "gold" else 0}
    seen = {**says, "task_type": "nmt", "language": "hi", "language_primary": "hi"}
    wanted = one_by_one(read, EvaluationContext(key, seen))
    assert assigned(read, "hi", key, says) == wanted


def test_a_guard_is_taken_off_only_where_it_stands_first() -> None:
    """What stands before a guard might fail, and must be asked; what follows is kept."""
    first = guards({"and": [TASK, HINDI, ODD]})
    assert first.allowed == {"task_type": frozenset({"nmt"}), "language": frozenset({"hi"})}
    assert first.run({"n": 1}, "r") in {"control", "treatment"}
    with pytest.raises(ZeroDivisionError):
        first.run({"n": 0}, "r")
    later = guards({"and": [TASK, ODD, HINDI]})
    assert later.allowed == {"task_type": frozenset({"nmt"})}
    assert later.run({"n": 1}, "r") is None
    assert later.run({"n": 1, "language": "hi"}, "r") in {"control", "treatment"}


def test_two_guards_on_one_attribute_must_both_hold() -> None:
    """Only the languages that pass both remain."""
    found = guards(
        {
            "and": [
                {"in": [{"var": "language"}, ["hi", "ta"]]},
                {"in": [{"var": "language"}, ["ta", "en"]]},
            ]
        }
    )
    assert found.allowed == {"language": frozenset({"ta"})}


def test_a_guard_on_any_attribute_counts_and_is_asked_all_the_same() -> None:
    """So is one of an inner `if`; an attribute that may be null is no guard."""
    found = guards({"and": [TASK, {"or": [GOLD, {"==": ["free", {"var": "tier"}]}]}, ODD]})
    assert found.allowed == {"task_type": frozenset({"nmt"}), "tier": frozenset({"gold", "free"})}
    assert found.run({"tier": "none", "n": 1}, "r") is None
    inner = guarded(RuleCompiler("key", "v3").compile({"if": [TASK, {"if": [HINDI, SPLIT]}]}))
    assert set(inner.allowed) == {"task_type", "language"}
    assert inner.split is not None
    assert guards({"in": [{"var": "tier"}, ["gold", None]]}).allowed == {}


def service(service_id: str, *, published: bool = True) -> Service:
    """A service of the task."""
    return Service(service_id, "nmt", "127.0.0.1:1", service_id, published=published)


def made(services: dict[str, Service], read: Document) -> TritonProvider:
    """A provider with a document in force and no source."""
    provider = TritonProvider("unread.json", services)
    provider.flags.on_document(read)
    return provider


def test_an_assignment_is_what_the_sdk_would_evaluate() -> None:
    """The way without the SDK gives the same variant, phase and service to each targeting key."""
    read = document([{"if": [{"and": [TASK, {"==": [{"var": "tier"}, "gold"]}]}, SPLIT]}])
    provider = made({"nmt-1": service("nmt-1"), "nmt-2": service("nmt-2")}, read)
    assert provider.assign("nmt", "hi", "r-1") is RouteReason.NO_MATCH
    assert provider.assign("asr", "hi", "r-1", {"tier": "gold"}) is RouteReason.NO_EXPERIMENT
    for number in range(200):
        key = f"r-{number}"
        found = provider.assign("nmt", "hi", key, {"tier": "gold"})
        context = EvaluationContext(key, {"task_type": "nmt", "language": "hi", "tier": "gold"})
        details = provider.resolve_object_details("experiment-0000", {}, context)
        assert isinstance(found, Assignment)
        assert isinstance(details.value, dict)
        assert found[:4] == (
            "experiment-0000",
            details.flag_metadata["phase"],
            details.variant,
            details.value["service_id"],
        )


def test_before_the_first_document_nobody_is_assigned() -> None:
    """The reason says so."""
    assert TritonProvider("unread.json", {}).assign("nmt", "", "r") is RouteReason.NOT_READY


def test_a_disabled_experiment_is_not_in_the_catalogue() -> None:
    """It takes nobody, and others are still asked."""
    read = document([{"if": [TASK, SPLIT]}], state="DISABLED")
    assert made({}, read).assign("nmt", "", "r") is RouteReason.NO_EXPERIMENT
