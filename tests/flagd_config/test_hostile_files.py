"""Whatever stands in a flag file, commands end in lines that say what, never in a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore

from openfeature_triton.flagd_config import audit, example, example_task_types
from openfeature_triton.flagd_config.command_line import main
from openfeature_triton.flagd_config.lint import lint_text

KEY = "nmt-indictrans3"
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NEW = "--task nmt --control a --treatment b --baseline 0.9 --minimum-effect 0.02"
COMMANDS = (
    ("lint", "{file}"),
    ("lint", "--json", "{file}"),
    ("lint", "--format", "sarif", "--against", "{example}", "{file}"),
    ("plan", "--count", "10", "{example}", "{file}"),
    ("plan", "--count", "10", "--json", "{file}", "{example}"),
    ("explain", "--task", "nmt", "--language", "hi", "--targeting-key", "u", "--flags", "{file}"),
    ("explain", KEY, "--json", "--flags", "{file}"),
    ("experiment", "list", "--flags", "{file}"),
    ("experiment", "show", KEY, "--flags", "{file}"),
    ("experiment", "pause", KEY, "--flags", "{file}"),
    ("experiment", "ramp", KEY, "treatment=25%", "--flags", "{file}"),
    ("experiment", "schedule", KEY, "--end", "2036-01-01", "--flags", "{file}"),
    ("experiment", "conclude", KEY, "--ship", "treatment", "--flags", "{file}"),
    ("experiment", "undo", "--flags", "{file}"),
    ("experiment", "log", "--flags", "{file}"),
    ("experiment", "new", "new", *NEW.split(), "--flags", "{file}"),
)
# Each example is written and read by all commands: to make a failing one smaller takes minutes.
slow_to_write = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


def _ask(path: Path, command: tuple[str, ...]) -> None:
    """Give a command a file: it must end with 0, 1 or 2, and leave no half of an edit."""
    before = path.read_bytes() if path.is_file() else None
    arguments = [each.format(file=path, example=example("nmt")) for each in command]
    runner = CliRunner()
    with runner.isolation() as (out, error, _):
        code = main(arguments)
        said = out.getvalue().decode() + error.getvalue().decode()
    assert code in (0, 1, 2), said
    assert "OFT_DEBUG" not in said, said  # what an unexpected error advises
    assert "Traceback" not in said
    changed = before is not None and path.read_bytes() != before
    assert changed == (audit.log_of(path).exists() and command[1] != "log"), said


def _ask_all(folder: Path, name: str, content: bytes) -> None:
    for command in COMMANDS:
        path = folder / name
        path.write_bytes(content)
        audit.log_of(path).unlink(missing_ok=True)
        _ask(path, command)


@slow_to_write
@given(data=st.data())
def test_a_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut off, or with bytes exchanged, in JSON and in YAML."""
    source = example(data.draw(st.sampled_from(example_task_types())))
    raw = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    _ask_all(tmp_path_factory.mktemp("damaged"), f"flags{source.suffix}", cut)


@slow_to_write
@given(
    path=st.lists(
        st.sampled_from(["variants", "targeting", "metadata", "state", "if", 0, 1, "fractional"]),
        max_size=4,
    ),
    junk=JUNK,
)
def test_a_file_of_wrong_types(
    tmp_path_factory: pytest.TempPathFactory, path: list[Any], junk: Any
) -> None:
    """Any value in the place of any part of an experiment."""
    document = json.loads(example("nmt").read_text())
    steps = ["flags", KEY, *path]
    inner: Any = document
    for step in steps[:-1]:
        try:
            inner = inner[step]
        except (LookupError, TypeError):
            return
    try:
        inner[steps[-1]] = junk
    except (LookupError, TypeError):
        return
    _ask_all(tmp_path_factory.mktemp("junk"), "flags.json", json.dumps(document).encode())


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        "- " * 50_000,
        '{"flags": ' * 500 + "1" + "}" * 500,
        '{"flags": {"f": {"a": 1' + "0" * 5000 + "}}}",
        '{"flags": {"\\ud800": {}}}',
        '{"flags": {"f": {"state": "ENABLED", "variants": {"a": NaN}}}}',
        '{"a": 1, "a": {"b": 1, "b": 2}, "flags": {"f": null, "f": 1}}',
        '{"flags": {"' + KEY + '": null}}',
        "flags: *nowhere",
        "a: &a [*a]",
        "\ufeff{}",
        "\0",
        "flags:\n\t" + KEY + ": 1",
    ],
)
def test_a_hostile_file(tmp_path: Path, suffix: str, text: str) -> None:
    """Deep, huge, doubled, half characters, aliases that lead nowhere or round in a ring."""
    _ask_all(tmp_path, f"flags{suffix}", text.encode())


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, nothing at all, and a link to itself."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "ring").symlink_to("ring")
    for name in ("folder", "ring", "none/flags.json"):
        for command in COMMANDS:
            _ask(tmp_path / name, command)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["state", "variants", "defaultVariant", "targeting", "metadata"]), JUNK)
def test_what_the_evaluator_refuses_lint_reports(field: str, junk: Any) -> None:
    """A document that flagd-core does not take has a finding."""
    document = json.loads(example("nmt").read_text())
    document["flags"][KEY][field] = junk
    text = json.dumps(document)
    try:
        FlagdCore().set_flags(json.loads(text))
    except Exception:  # noqa: BLE001 - whatever the evaluator raises, it refuses
        assert not lint_text(text, source="flags.json").clean
