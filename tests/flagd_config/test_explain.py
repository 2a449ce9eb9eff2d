from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openfeature_triton.flagd_config import example, example_task_types, read_document
from openfeature_triton.flagd_config.explain import explain_flag, explain_task
from openfeature_triton.flagd_config.explain_commands import explain
from openfeature_triton.flagd_config.reference import evaluate

KEYS = 10_000
LANGUAGES = ("hi", "ta", "en-US", "en-GB", "de", "")


def _explain(*arguments: str) -> Result:
    return CliRunner().invoke(explain, ["--flags", str(example("nmt")), *arguments])


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
@pytest.mark.parametrize("task_type", example_task_types())
def test_explain_agrees_with_the_evaluator(task_type: str, bucketing: str) -> None:
    """What is explained is what flagd's operators give, for thousands of keys and each example."""
    document = read_document(example(task_type), bucketing=bucketing)
    for key, flag in document.flags.items():
        for index in range(KEYS):
            context: dict[str, Any] = {
                "task_type": task_type,
                "language": LANGUAGES[index % len(LANGUAGES)],
                "targetingKey": f"user-{index}",
            }
            found = explain_flag(document, key, context, timestamp=1_764_000_000)
            expected = evaluate(
                flag["targeting"], found.context, key, bucketing, timestamp=1_764_000_000
            )
            assert found.variant == expected
            bucket = found.trace.bucket
            if bucket is not None and bucket.number is not None:
                assert (bucket.low or 0) <= bucket.number < (bucket.high or 0)


def test_explain_names_each_condition() -> None:
    """The branch, each condition with its value, the bucket and its range are told."""
    document = read_document(example("nmt"))
    context = {"task_type": "nmt", "language": "hi", "targetingKey": "u1"}
    found = explain_flag(document, "nmt-indictrans3", context)
    assert [each.holds for each in found.trace.conditions] == [True, True, True]
    assert found.trace.conditions[1].attributes == {"task_type": "nmt"}
    assert found.trace.branch == ("if", 1, "fractional")
    assert found.trace.bucket is not None
    assert found.trace.bucket.weights == (("control", 50), ("treatment", 50))
    assert found.experiment is not None
    assert found.service_id == found.experiment.services[found.variant or ""]


def test_explain_says_why_there_is_none() -> None:
    """The condition that failed, or what is missing, is the reason."""
    document = read_document(example("nmt"))
    context = {"task_type": "nmt", "language": "de", "targetingKey": "u1"}
    found = explain_flag(document, "nmt-indictrans3", context)
    assert found.variant is None
    assert [each.holds for each in found.trace.conditions] == [False, True, False]
    without_unit = explain_flag(document, "nmt-indictrans3", {"task_type": "nmt", "language": "hi"})
    assert "targeting key" in without_unit.why


def test_a_language_is_matched_by_its_first_subtag() -> None:
    """As in the provider, `hi` takes `hi_IN`."""
    document = read_document(example("nmt"))
    (found,) = explain_task(document, "nmt", {"language": "hi_IN", "targetingKey": "u1"})
    assert found.variant is not None
    assert found.context["language"] == "hi"


def test_the_command_explains() -> None:
    """The command prints the bucket, and exits by whether there is a variant."""
    result = _explain("--task", "nmt", "--language", "hi", "--targeting-key", "u1")
    assert result.exit_code == 0
    assert "of 100 (" in result.stdout
    assert "bucketing v3" in result.stdout
    assert _explain("--task", "nmt", "--language", "de", "--targeting-key", "u1").exit_code == 1


def test_the_command_as_json() -> None:
    """A script gets the same as values."""
    context = '{"task_type": "nmt", "language": "ta", "targetingKey": "u1"}'
    result = _explain("nmt-indictrans3", "--context", context, "--json")
    (asked,) = json.loads(result.stdout)["asked"]
    assert asked["variant"] in ("control", "treatment")
    assert asked["phase"] == "0188c89b"


@pytest.mark.parametrize(
    "arguments", [("none",), (), ("nmt-indictrans3", "--context", "{"), ("x", "--context", "[]")]
)
def test_what_cannot_be_asked_is_2(arguments: tuple[str, ...]) -> None:
    """An unknown flag, nothing asked for, and a context that is none are one line each."""
    result = _explain(*arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_an_endpoint_is_said_without_its_credential(tmp_path: Path) -> None:
    """The registry's endpoint and model are told, the credential never is."""
    import sqlite3

    path = tmp_path / "registry.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "create table services (service_id, task_type, published, protocol, url, model_name,"
        " model_version, credential)"
    )
    for service_id in ("nmt-indictrans2", "nmt-indictrans3"):
        row = (service_id, "nmt", 1, "http", "localhost:8000", "m", "", "sentinel-secret")
        connection.execute("insert into services values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    request = ("--task", "nmt", "--language", "hi", "--targeting-key", "u1")
    for more in ((), ("--json",)):
        result = _explain(*request, "--registry", f"sqlite:///{path}", *more)
        assert "localhost:8000" in result.stdout
        assert "sentinel" not in result.output
