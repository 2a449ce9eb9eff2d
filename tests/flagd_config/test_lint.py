from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from openfeature_triton.flagd_config import example, example_task_types
from openfeature_triton.flagd_config.dates import Dates, condition_of
from openfeature_triton.flagd_config.lint import Against, Report, lint_file, lint_text
from openfeature_triton.flagd_config.registry_services import KnownService
from openfeature_triton.flagd_config.rules import RULES

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
SERVICES = {
    name: KnownService(name, task, published, "http", "localhost:8000", "m", "")
    for name, task, published in (
        ("nmt-indictrans2", "nmt", True),
        ("nmt-indictrans3", "nmt", True),
        ("nmt-draft", "nmt", False),
        ("asr-fast", "asr", True),
    )
}
KEY = "nmt-indictrans3"


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(example("nmt").read_text())
    return document


def _lint(document: Any) -> Report:
    before = _document()["flags"]
    against = Against(services=SERVICES, before=before, now=NOW)
    text = document if isinstance(document, (str, bytes)) else json.dumps(document, indent=1)
    return lint_text(text, source="flags.json", against=against)


def _rules(document: Any) -> set[str]:
    return {finding.rule_id for finding in _lint(document).findings}


def _split(flag: dict[str, Any], *shares: Any) -> None:
    flag["targeting"]["if"][1] = {"fractional": list(shares)}


def _condition(flag: dict[str, Any], *conditions: Any) -> None:
    flag["targeting"]["if"][0] = {"and": list(conditions)}


def _second(document: dict[str, Any], **metadata: Any) -> None:
    other = json.loads(json.dumps(document["flags"][KEY]))
    other["metadata"].update(metadata)
    document["flags"]["nmt-second"] = other


def _dates(flag: dict[str, Any], dates: Dates, **said: str) -> None:
    flag["metadata"].update(said)
    flag["targeting"] = {"if": [condition_of(dates), flag["targeting"]]}


LANGUAGE = {"var": "language"}
MOMENT = {"var": "$flagd.timestamp"}
ENDED = Dates(end=1_795_392_000)
TASK = {"var": "task_type"}

# Each changes the clean document so that exactly this rule is broken: document, flag.
BREAKS: list[tuple[str, Callable[[dict[str, Any], dict[str, Any]], object]]] = [
    ("schema", lambda _, f: f.update(state="on")),
    ("schema", lambda _, f: f.pop("variants")),
    ("schema", lambda _, f: f.update(targetting={})),
    ("schema", lambda _, f: f.update(targeting={"$ref": "nowhere"})),
    ("schema", lambda d, _: d.update(flags=[])),
    ("wipes-all-flags", lambda d, _: d.update(flags={})),
    ("secret", lambda _, f: f["metadata"].update(hypothesis="ghp_" + "a1" * 18)),
    ("secret", lambda _, f: f["metadata"].update({"x-token": "hunter2"})),
    ("variant-unknown", lambda _, f: f.update(defaultVariant="none")),
    ("variant-unknown", lambda _, f: _split(f, ["control", 50], ["treatment", 50], ["b", 1])),
    ("variant-unreachable", lambda _, f: _split(f, ["control", 50], ["treatment", 0])),
    ("variant-types", lambda d, _: d["flags"].update(p=_plain({"a": 1, "b": "2"}))),
    ("variant-without-service", lambda _, f: f["variants"].update(treatment={"svc": "x"})),
    ("service-unknown", lambda _, f: f["variants"]["treatment"].update(service="nmt-4")),
    ("service-unpublished", lambda _, f: f["variants"]["treatment"].update(service="nmt-draft")),
    ("service-wrong-task", lambda _, f: f["variants"]["treatment"].update(service="asr-fast")),
    ("same-service", lambda _, f: f["variants"].update(treatment=f["variants"]["control"])),
    ("control", lambda _, f: f["metadata"].pop("control")),
    ("control", lambda _, f: f["metadata"].update(control="none")),
    ("default-variant", lambda _, f: f.update(defaultVariant="control")),
    ("split-shape", lambda _, f: _split(f, ["control", 50], ["treatment", 50, 1])),
    ("split-shape", lambda _, f: _split(f, "x", ["control", 50], ["treatment", 50])),
    ("weight-type", lambda _, f: _split(f, ["control", 50], ["treatment", 50.0])),
    ("weight-type", lambda _, f: _split(f, ["control", 50], ["treatment", "50"])),
    ("weights-sum", lambda _, f: _split(f, ["control", 2**31], ["treatment", 2**31])),
    ("weight-omitted", lambda _, f: _split(f, ["control"], ["treatment"])),
    ("weights-planned", lambda _, f: f["metadata"].update(planned_weights="control:9,treatment:1")),
    (
        "bucketing-attribute",
        lambda _, f: _split(f, {"var": "user"}, ["control", 50], ["treatment", 50]),
    ),
    ("operator", lambda _, f: _condition(f, {"equals": [LANGUAGE, "hi"]})),
    ("condition-never", lambda _, f: _condition(f, {"==": [TASK, "asr"]})),
    ("condition-never", lambda _, f: _condition(f, {"in": [LANGUAGE, []]})),
    ("condition-never", lambda _, f: _condition(f, {"==": [LANGUAGE, 5]})),
    (
        "condition-never",
        lambda _, f: _condition(f, {"==": [LANGUAGE, "hi"]}, {"==": [LANGUAGE, "ta"]}),
    ),
    ("condition-always", lambda _, f: _condition(f, True, {"==": [TASK, "nmt"]})),
    ("condition-always", lambda _, f: _condition(f, {"in": [LANGUAGE, "hi, ta"]})),
    ("language-tag", lambda _, f: _condition(f, {"in": [LANGUAGE, ["hindi"]]})),
    ("language-tag", lambda _, f: _condition(f, {"in": [LANGUAGE, ["en-us"]]})),
    ("language-tag", lambda _, f: _condition(f, {"==": [LANGUAGE, "iw"]})),
    ("evaluation", lambda _, f: _condition(f, {"%": [1, 0]})),
    ("overlap", lambda d, _: _second(d)),
    ("overlap-ordered", lambda d, _: _second(d, priority=200)),
    ("metadata-primitive", lambda _, f: f["metadata"].update(owner=["a", "b"])),
    ("metadata-key", lambda _, f: f["metadata"].update(ownr="translation")),
    ("metadata-type", lambda _, f: f["metadata"].update(planned_requests="many")),
    ("metadata-type", lambda _, f: f["metadata"].pop("task_type")),
    ("metadata-type", lambda _, f: f["metadata"].update(minimum_effect=5)),
    ("guardrails", lambda _, f: f["metadata"].update(guardrails="error_rate=10%")),
    ("dates", lambda _, f: f["metadata"].update(start="tomorrow")),
    ("dates", lambda _, f: f["metadata"].update(start="2026-12-02", end="2026-12-01")),
    ("dates", lambda _, f: _dates(f, Dates(start=200, end=100))),
    ("dates", lambda _, f: _condition(f, {"<": [MOMENT, 1_796_119_200_000]})),
    ("dates-differ", lambda _, f: f["metadata"].update(end="2026-12-23T00:00:00Z")),
    ("dates-differ", lambda _, f: _dates(f, Dates(start=5), start="2000-01-01")),
    ("ended", lambda _, f: _dates(f, Dates(end=1_764_000_000))),
    ("ended", lambda _, f: _dates(f, ENDED, end="2026-11-23T00:00:00Z")),
    ("planned-requests", lambda _, f: f["metadata"].update(planned_requests=500)),
    ("planned-requests", lambda _, f: f["metadata"].update(baseline=0.5)),
    ("tag", lambda d, _: d["flags"].update({"n" * 65: d["flags"].pop(KEY)})),
    ("experiment", lambda _, f: _split(f, ["control", 50], ["treatment", 50], [{"var": "v"}, 1])),
]
# These break another rule with them.
BREAKS_MORE: list[tuple[str, Callable[[dict[str, Any], dict[str, Any]], object]]] = [
    ("split-missing", lambda _, f: f.update(targeting={"if": [True, "control"]})),
    (
        "split-several",
        lambda _, f: f["targeting"]["if"].append({"fractional": [["control", 1]]}),
    ),
    ("weight-negative", lambda _, f: _split(f, ["control", 50], ["treatment", -1])),
    ("weights-zero", lambda _, f: _split(f, ["control", 0], ["treatment", 0])),
    ("task-type", lambda _, f: f["metadata"].update(task_type="mt")),
    (
        "variant-removed",
        lambda _, f: f["variants"].update(challenger=f["variants"].pop("treatment")),
    ),
]


def _plain(variants: dict[str, Any]) -> dict[str, Any]:
    return {"state": "ENABLED", "variants": variants, "defaultVariant": next(iter(variants))}


def test_the_examples_are_clean() -> None:
    """What operators start from has no finding."""
    for task_type in example_task_types():
        assert lint_file(example(task_type)).findings == ()


@pytest.mark.parametrize(("rule", "change"), BREAKS)
def test_one_mistake_is_one_finding(
    rule: str, change: Callable[[dict[str, Any], dict[str, Any]], object]
) -> None:
    """Each mistake is found by its own rule and by no other."""
    document = _document()
    change(document, document["flags"][KEY])
    assert _rules(document) == {rule}


@pytest.mark.parametrize(("rule", "change"), BREAKS_MORE)
def test_a_mistake_is_found(
    rule: str, change: Callable[[dict[str, Any], dict[str, Any]], object]
) -> None:
    """A mistake that brings others with it is named among them."""
    document = _document()
    change(document, document["flags"][KEY])
    assert rule in _rules(document)


def test_every_rule_is_broken_by_a_test() -> None:
    """No rule stands in the table that nothing can break."""
    tested = {rule for rule, _ in BREAKS + BREAKS_MORE}
    assert set(RULES) - tested == {"unreadable", "syntax", "duplicate-key"}


def test_a_finding_has_its_line() -> None:
    """File, line, column, flag key and JSON path lead to the mistake."""
    text = example("nmt").read_text().replace('"control", 50', '"control", 50.5')
    (finding,) = _lint(text).findings
    assert (finding.path, finding.line, finding.column) == ("flags.json", 13, 37)
    assert finding.flag_key == KEY
    assert finding.json_path == f"/flags/{KEY}/targeting/if/1/fractional/0/1"


def test_a_finding_in_yaml_has_its_line() -> None:
    """YAML's lines are found as JSON's are."""
    text = example("ner").read_text().replace("- [spans, ", "- [span, ")
    line = next(i for i, each in enumerate(text.splitlines(), 1) if "[span, " in each)
    findings = lint_text(text, source="f.yaml", yaml=True).findings
    assert ("variant-unknown", line) in [(each.rule_id, each.line) for each in findings]


def test_every_duplicate_key_is_found() -> None:
    """Readers keep the last of two members, so each second one is a finding at its line."""
    flag = '{"state": "ENABLED",\n"state": "DISABLED", "variants": {"a": 1,\n"a": 2}}'
    text = f'{{"flags": {{"f": {flag}}}}}'
    found = [(each.rule_id, each.line) for each in _lint(text).findings]
    assert found == [("duplicate-key", 2), ("duplicate-key", 3)]


def test_a_repeated_key_in_yaml_is_found() -> None:
    """YAML's parser stops at the first."""
    (finding,) = lint_text("flags:\n  a: 1\n  a: 2\n", source="f.yaml", yaml=True).findings
    assert (finding.rule_id, finding.line) == ("duplicate-key", 3)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"flags": {}} x', b'["\\ud800"]'])
def test_what_is_no_document_is_one_finding(text: bytes) -> None:
    """Whatever is wrong with the syntax is said at its line."""
    (finding,) = _lint(text).findings
    assert finding.rule_id == "syntax"


def test_a_missing_file_could_not_run(tmp_path: Path) -> None:
    """A file that cannot be read is a report that says so."""
    report = lint_file(tmp_path / "none.json")
    assert report.could_not_run
    assert [finding.rule_id for finding in report.findings] == ["unreadable"]


def test_a_secret_is_never_printed() -> None:
    """A pasted secret stands in no finding, whichever rule it breaks besides."""
    secret = "sk-" + "abc123XYZ" * 4
    document = _document()
    flag = document["flags"][KEY]
    flag["metadata"]["control"] = secret
    flag["variants"][secret] = {"service": secret, "password": "hunter2hunter2"}
    flag["state"] = secret
    assert "secret" in _rules(document)
    for finding in _lint(document).findings:
        assert secret not in str(finding)
        assert "hunter2" not in str(finding)


def test_two_bad_flags_are_two_findings() -> None:
    """One refused flag does not hide what is wrong with the others."""
    flags = {"a": {"state": "x", "variants": {"v": 1}}, "b": {"state": "ENABLED", "variants": {}}}
    assert [each.flag_key for each in _lint({"flags": flags}).findings] == ["a", "b"]


def test_the_readme_lists_the_rules() -> None:
    """The README's table of rules is the code's."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in readme.splitlines()
        if line.startswith("| `") and line.count("|") == 4
    ]
    listed = [row for row in rows if row[0].strip("`") in RULES]
    assert listed == [(f"`{rule.id}`", rule.severity, rule.finds) for rule in RULES.values()]
