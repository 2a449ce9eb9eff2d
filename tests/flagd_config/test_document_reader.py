"""DocumentReader: what a running service makes of each document, however bad."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openfeature_triton.flagd_config import (
    Document,
    DocumentReader,
    FlagFileError,
    MalformedFileError,
    RefusedByFlagdError,
    example,
    parse_document,
)

GOOD = example("asr").read_text(encoding="utf-8")
PLAIN = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
KEY = next(iter(json.loads(GOOD)["flags"]))

BAD_FLAGS: list[Any] = [
    None,
    [],
    "on",
    {**PLAIN, "state": "enabled"},
    {**PLAIN, "variants": {}},
    {**PLAIN, "metadata": {"nested": {"a": 1}}},
    {**PLAIN, "targeting": {"$ref": "nobody"}},
    {**PLAIN, "colour": "blue"},
    {**PLAIN, "metadata": {"experiment": True}},
]
BAD_DOCUMENTS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"flags": {}}',
    b'{"flags": null}',
    b'{"flags": []}',
    b'{"flags": {}} more',
    b"\xff\xfe",
    GOOD.encode()[:-40],
    GOOD.encode()[:40],
    b'{"flags": {"a": null}}',
    b'{"flags": {"a": {}}, "flags": {"a": {}}}',
    b'{"flags": {"a": 1, "a": 1}}',
    b'{"flags": {"a": 1,}}',
    b'{"flags": {"a" 1}}',
    b'{"flags": {"a": NaN}}',
    b'{"flags": ' + b"[" * 100_000,
    b'{"flags": {"a": ' + b"[" * 100_000,
    json.dumps({"flags": {"a": PLAIN}, "metadata": {"nested": {"a": 1}}}).encode(),
    json.dumps({"flags": {"a": PLAIN}, "$evaluators": "r"}).encode(),
]


def written(**flags: Any) -> str:
    """A document with these flags beside the example's."""
    document = json.loads(GOOD)
    document["flags"].update(flags)
    return json.dumps(document)


def test_a_good_document_reads_as_the_strict_reading_does() -> None:
    """Lenient and strict differ in nothing where nothing is wrong."""
    assert DocumentReader("flags.json").read(GOOD) == parse_document(GOOD, source="flags.json")


@pytest.mark.parametrize("bad", BAD_FLAGS, ids=lambda bad: json.dumps(bad)[:60])
def test_a_bad_flag_costs_only_itself_and_is_named(bad: Any) -> None:
    """The others go live, and what is said names the flag and its place."""
    document = DocumentReader("flags.json").read(written(broken=bad, plain=PLAIN))
    assert set(document.flags) == {KEY, "plain"}
    (error,) = document.refused
    assert error.flag_key == "broken"
    assert "flag 'broken'" in str(error)


@pytest.mark.parametrize("bad", BAD_DOCUMENTS, ids=lambda bad: bad[:40].decode(errors="replace"))
def test_a_document_that_is_bad_as_a_whole_is_refused(bad: bytes) -> None:
    """Whatever arrives, it is an error of ours that names the source, and reading goes on."""
    reader = DocumentReader("flags.json")
    before = reader.read(GOOD)
    with pytest.raises(FlagFileError, match=r"^flags\.json"):
        reader.read(bad)
    after = reader.read(GOOD)
    assert after.flags[KEY] is before.flags[KEY]


def test_an_empty_document_is_taken_only_where_it_is_allowed() -> None:
    """Removing all flags at once is rarely meant."""
    empty = '{"flags": {}}'
    with pytest.raises(RefusedByFlagdError, match="OFT_ALLOW_EMPTY"):
        DocumentReader("flags.json").read(empty)
    assert not DocumentReader("flags.json", allow_empty=True).read(empty).flags


def test_syntax_errors_keep_their_line_and_column() -> None:
    """The quick way through the text falls back on the one that says where."""
    with pytest.raises(MalformedFileError) as caught:
        DocumentReader("flags.json").read('{"flags": {\n  "a": tru}}')
    assert (caught.value.line, caught.value.column) == (2, 8)


def test_a_key_that_stands_twice_in_a_flag_costs_that_flag() -> None:
    """Readers silently keep the last one; here the operator hears about it."""
    twice = '{"state": "ENABLED", "state": "DISABLED", "variants": {"on": true}}'
    text = written(plain=PLAIN)[:-2].replace('"flags": {', f'"flags": {{"twice": {twice}, ', 1)
    document = DocumentReader("flags.json").read(text + "}}")
    assert [error.flag_key for error in document.refused] == ["twice"]


ODD_VALUES = ["NaN", "-Infinity", "1e999", "9" * 400 + ".5", r'"\ud800"', "[" * 101 + "]" * 101]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: odd[:20])
def test_a_value_that_is_not_json_costs_its_flag(odd: str) -> None:
    """Whatever lets a text be passed without a look at each value sees these."""
    flag = f'{{"state": "ENABLED", "variants": {{"on": {odd}}}}}'
    text = written(plain=PLAIN)[:-2].replace('"flags": {', f'"flags": {{"odd": {flag}, ', 1)
    document = DocumentReader("flags.json").read(text + "}}")
    assert [error.flag_key for error in document.refused] == ["odd"]
    assert "plain" in document.flags


def test_half_a_character_in_a_key_costs_its_flag() -> None:
    """A key is not in its flag's own text."""
    text = written(plain=PLAIN)[:-2].replace(
        '"flags": {', r'"flags": {"\ud800": ' + json.dumps(PLAIN) + ", ", 1
    )
    document = DocumentReader("flags.json").read(text + "}}")
    assert len(document.refused) == 1
    assert "plain" in document.flags


def test_unchanged_flags_are_the_same_objects_in_the_next_document() -> None:
    """Whoever compiles flags can tell by identity what to compile again."""
    reader = DocumentReader("flags.json")
    one = reader.read(written(plain=PLAIN, other=PLAIN))
    two = reader.read(written(plain=PLAIN, other={**PLAIN, "state": "DISABLED"}))
    assert two.flags["plain"] is one.flags["plain"]
    assert two.experiments[KEY] is one.experiments[KEY]
    assert two.flags["other"]["state"] == "DISABLED"


def test_a_changed_shared_rule_changes_the_flags_that_refer_to_it() -> None:
    """The flag's own text is the same, and it has to be read again all the same."""
    flag = {**PLAIN, "targeting": {"if": [{"$ref": "rule"}, "on", "off"]}}
    reader = DocumentReader("flags.json")
    for rule in ({"==": [1, 1]}, {"==": [1, 2]}, {"==": ["ü\\", {"var": "é"}]}):
        text = json.dumps({"flags": {"a": flag}, "$evaluators": {"rule": rule}})
        document = reader.read(text)
        assert document == parse_document(text, source="flags.json")


def test_yaml_is_read_as_leniently() -> None:
    """One bad flag in YAML costs only that flag, too."""
    text = "flags:\n  a: {state: ENABLED, variants: {on: true}}\n  b: {state: off}\n"
    document = DocumentReader("flags.yaml", yaml=True).read(text)
    assert list(document.flags) == ["a"]
    assert [error.flag_key for error in document.refused] == ["b"]


def test_values_behind_the_document_and_beside_the_flags_are_kept() -> None:
    """Metadata of the whole document reaches it wherever it stands."""
    reader = DocumentReader("flags.json")
    for text in (
        '{"metadata": {"team": "x"}, "flags": {"a": %s}}',
        ' {"flags" : {"a" :%s} , "metadata":{"team":"x"}}\n',
    ):
        document: Document = reader.read(text % json.dumps(PLAIN))
        assert document.metadata == {"team": "x"}
        assert list(document.flags) == ["a"]
