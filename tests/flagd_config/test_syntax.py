from __future__ import annotations

import os
from pathlib import Path

import pytest

from openfeature_triton.flagd_config import (
    FlagFileError,
    MalformedFileError,
    RefusedByFlagdError,
    UnreadableFileError,
    parse_document,
    read_document,
)


def _error(text: str | bytes) -> FlagFileError:
    with pytest.raises(FlagFileError) as caught:
        parse_document(text, source="flags.json")
    return caught.value


def test_missing_file_is_unreadable(tmp_path: Path) -> None:
    """A missing file is named in the error."""
    path = tmp_path / "flags.json"
    with pytest.raises(UnreadableFileError, match="there is no such file") as caught:
        read_document(path)
    assert caught.value.path == str(path)


def test_directory_is_unreadable(tmp_path: Path) -> None:
    """A directory instead of a file says so."""
    with pytest.raises(UnreadableFileError, match="this is a directory"):
        read_document(tmp_path)


def test_impossible_path_is_unreadable() -> None:
    """A path that no file can have is an error like any other."""
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_document("flags\0.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file: run as another user")
def test_forbidden_file_is_unreadable(tmp_path: Path) -> None:
    """A file without read permission says so."""
    path = tmp_path / "flags.json"
    path.touch(mode=0o000)
    with pytest.raises(UnreadableFileError, match="Permission denied"):
        read_document(path)


@pytest.mark.parametrize("text", ["", b"", " \n\t", "\ufeff"])
def test_empty_file(text: str | bytes) -> None:
    """A file with nothing but white space is called empty."""
    assert _error(text).problem == "the file is empty"


def test_not_utf_8() -> None:
    """Bytes that are not UTF-8 name the place of the first."""
    assert "not UTF-8 text (at byte 2)" in _error(b'{"\xe4": 1}').problem


def test_utf_16() -> None:
    """A file saved as UTF-16 is not UTF-8."""
    assert "not UTF-8" in _error('{"flags": {}}'.encode("utf-16")).problem


def test_byte_order_mark_is_refused_in_json() -> None:
    """Flagd refuses a byte order mark in JSON, so it is an error."""
    assert "byte order mark" in _error(b'\xef\xbb\xbf{"flags": {}}').problem


@pytest.mark.parametrize("text", ["{", '{"flags": {"a": ', '{"flags": {"a', '{"flags": {}\n'])
def test_truncated_json_is_called_cut_off(text: str) -> None:
    """A file that ends in the middle is called cut off, with line and column."""
    error = _error(text)
    assert isinstance(error, MalformedFileError)
    assert error.problem == "the JSON ends in the middle"
    assert error.line is not None


def test_syntax_error_has_line_and_column() -> None:
    """Wrong JSON is reported at its line and column."""
    error = _error('{\n  "flags": {},\n  oops\n}')
    assert (error.line, error.column) == (3, 3)


def test_repeated_key_has_its_path() -> None:
    """A key that stands twice in one object is an error with its JSON path and flag."""
    error = _error('{"flags": {"a": {"state": "ENABLED", "state": "DISABLED"}}}')
    assert "twice" in error.problem
    assert (error.json_path, error.flag_key) == ("/flags/a/state", "a")


@pytest.mark.parametrize("depth", [102, 2_000, 100_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(start: str, end: str, depth: int) -> None:
    """Nesting that would exhaust an evaluator's stack is refused, however deep it is."""
    error = _error(start * depth + "1" + end * depth)
    assert isinstance(error, RefusedByFlagdError)
    assert "levels deep" in error.problem


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_json_lacks(value: str) -> None:
    """Not-a-number and infinity are refused with their path."""
    error = _error(f'{{"flags": {{}}, "x": [{value}]}}')
    assert error.json_path == "/x/0"
    assert "not a number in JSON" in error.problem


def test_integer_of_thousands_of_digits() -> None:
    """A number too long to read is an error, not a crash."""
    assert "too many digits" in _error("1" * 5_000).problem


@pytest.mark.parametrize("text", [r'{"flags": {"\ud800": {}}}', r'{"x": "\udc00", "flags": {}}'])
def test_half_of_a_surrogate_pair(text: str) -> None:
    """Text that cannot be written as UTF-8 again is refused."""
    assert "surrogate" in _error(text).problem


def test_text_with_a_lone_surrogate() -> None:
    """A Python text that is not Unicode is refused like bytes that are not UTF-8."""
    assert "not UTF-8" in _error('{"\ud800": 1}').problem
