from __future__ import annotations

import json
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from openfeature_triton.dashboard.access import (
    Access,
    AccessFile,
    Token,
    change_access,
    is_name,
    read_access,
)
from openfeature_triton.dashboard.errors import AccessError
from openfeature_triton.dashboard.passwords import (
    hash_password,
    hash_token,
    is_password,
    new_token,
)

SECRET = "sentinel of a pass phrase"


def _with_user(name: str) -> Access:
    return Access({name: "scrypt$…"}, {})


def test_a_password_is_known_again_and_cannot_be_read_back() -> None:
    """Two hashes of one password differ; a wrong one, and what is no hash, is refused."""
    first, second = hash_password(SECRET), hash_password(SECRET)
    assert first != second
    assert SECRET not in first
    assert is_password(SECRET, first)
    assert is_password(SECRET, second)
    assert not is_password(SECRET + "x", first)
    for odd in ("", "scrypt$1", "scrypt$3$8$1$AA==$AA==", "md5$32768$8$1$AA==$AA==", "$" * 5):
        assert not is_password(SECRET, odd)


def test_a_token_does_only_what_it_may() -> None:
    """It is found by its hash; another one, and another right, is nobody's."""
    token = new_token()
    access = Access({}, {"nmt": Token(hash_token(token), "track")})
    assert access.holder(token, "track") == "nmt"
    assert access.holder(token, "read") is None
    assert access.holder(new_token(), "track") is None
    assert token not in repr(access)


def test_the_file_is_its_owners_alone_and_comes_back_as_written(tmp_path: Path) -> None:
    """Mode 0600 from its making on, nothing left beside it."""
    file = tmp_path / "access.json"
    access = Access({"ana": hash_password(SECRET)}, {"nmt": Token("00", "read")})
    change_access(file, lambda _: access)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_access(file) == access
    assert SECRET not in file.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [file]
    assert read_access(tmp_path / "none.json") == Access()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"users": 1}', '{"tokens": {"a": {}}}', "[" * 9999]
)
def test_a_file_of_something_else_is_said(tmp_path: Path, content: str) -> None:
    """The error names the file and not its content."""
    file = tmp_path / "access.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(AccessError, match="no file of users and tokens"):
        read_access(file)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The error says how to put it right."""
    file = tmp_path / "access.json"
    file.write_text("{}")
    file.chmod(0o640)
    with pytest.raises(AccessError, match="chmod 600"):
        read_access(file)


def test_changes_at_the_same_time_all_stay(tmp_path: Path) -> None:
    """Each of many writers finds what the others wrote."""
    file = tmp_path / "access.json"

    def add(name: str) -> None:
        change_access(file, lambda found: replace(found, users={**found.users, name: "x"}))

    threads = [threading.Thread(target=add, args=(f"u{nth}",)) for nth in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_access(file).users) == 20


def test_a_running_dashboard_sees_the_change(tmp_path: Path) -> None:
    """The file is read again when it was replaced, came, or went."""
    file = tmp_path / "access.json"
    watched = AccessFile(file)
    assert watched.read() == Access()
    for name in ("ana", "bob"):
        change_access(file, lambda _, name=name: _with_user(name))  # type: ignore[misc]
        assert list(watched.read().users) == [name]
    file.unlink()
    assert watched.read() == Access()
    file.write_text(json.dumps({"users": {}}))
    with pytest.raises(AccessError):
        watched.read()


def test_names_are_plain() -> None:
    """A name fits a log line and a page."""
    assert all(map(is_name, ("ana", "a.b@c.org", "x" * 64)))
    assert not any(map(is_name, ("", " ana", "a\n", "x" * 65, "ä", "<b>", "-a")))
