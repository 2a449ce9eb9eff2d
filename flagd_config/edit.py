"""An edit of one flag: under the file's lock, held to `lint`, written as a whole, then logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from pathlib import Path

from openfeature_triton.flagd_config import audit
from openfeature_triton.flagd_config.document import YAML_SUFFIXES, Document
from openfeature_triton.flagd_config.document_reader import DocumentReader
from openfeature_triton.flagd_config.errors import FlagFileError, Place
from openfeature_triton.flagd_config.file_change import locked, replace
from openfeature_triton.flagd_config.findings import ERROR, Finding
from openfeature_triton.flagd_config.flag_text import FlagText
from openfeature_triton.flagd_config.lint import Against, lint_text
from openfeature_triton.flagd_config.places import NoSuchPlaceError
from openfeature_triton.flagd_config.syntax import read_bytes

Edit = Callable[[FlagText, Document], None]


class EditRefusedError(FlagFileError):
    """An edit that would leave the file worse than it was.

    `findings` are the errors of `lint` that it would bring.
    """

    findings: tuple[Finding, ...] = ()


def edit_flag(
    path: Path,
    key: str,
    edit: Edit,
    against: Against,
    *,
    command: str,
    reason: str,
    strict: bool = False,
) -> audit.Entry:
    """Edit one flag of a file; the others may be broken already, and stay as they are.

    Raises FlagFileError where the file can't be read, or `edit` refuses; EditRefusedError where
    lint would find an error that was not there (`strict`: a warning), or another flag would change.
    """
    with locked(path):
        before = read_bytes(path)
        document = read_leniently(path, before, against.bucketing)
        text = FlagText(before.decode(), yaml=is_yaml(path))
        try:
            edit(text, document)
        except NoSuchPlaceError as error:
            raise EditRefusedError(
                Place(str(path)).at("flags", key),
                f"it can't be edited, for {error}",
                "write it out where it uses `$ref`, or edit it by hand",
            ) from error
        after = text.text.encode()
        _check_others(path, key, document, read_leniently(path, after, against.bucketing))
        held_to = changed(against, before=document.flags)
        said = _hold_to_lint(path, key, (before, after), held_to, strict=strict)
        made = audit.entry(command, key, reason, before, after, lint=said)
        with audit.added(path, made):
            replace(path, before, after)
    return made


def write_first(
    path: Path, key: str, content: bytes, against: Against, *, command: str, reason: str
) -> audit.Entry:
    """Write a file that is not there yet; raises EditRefusedError where lint finds anything."""
    with locked(path):
        said = _hold_to_lint(path, key, (None, content), against, strict=True)
        made = audit.entry(command, key, reason, None, content, lint=said)
        with audit.added(path, made):
            replace(path, None, content)
    return made


def read_leniently(
    path: Path, content: bytes, bucketing: str, *, allow_all_refused: bool = False
) -> Document:
    """Read a flag file without its bad flags; raises FlagFileError where nothing is good.

    `allow_all_refused` takes also a file whose flags are all bad.
    """
    reader = DocumentReader(
        str(path),
        bucketing=bucketing,
        yaml=is_yaml(path),
        allow_empty=True,
        allow_all_refused=allow_all_refused,
    )
    return reader.read(content)


def is_yaml(path: Path) -> bool:
    """Whether a flag file is YAML."""
    return path.suffix.lower() in YAML_SUFFIXES


def _hold_to_lint(
    path: Path, key: str, texts: tuple[bytes | None, bytes], against: Against, *, strict: bool
) -> tuple[str, ...]:
    """Give what lint says of the edit all the same, a line each.

    Raises EditRefusedError if it finds what it must not and what is not in the old text.
    """
    before, after = texts
    found = _findings(path, after, against)
    known = _findings(path, before, against) if found and before is not None else ()
    brought = _new(found, known)
    refused = [each for each in brought if each.severity == ERROR or (strict and each.counts)]
    if refused:
        raise _refusal(path, key, refused)
    own = [each for each in found if each.flag_key == key and each not in brought]
    return tuple(
        f"{each.severity} [{each.rule_id}] {each.flag_key}: {each.problem}"
        for each in (*brought, *own)
    )


def _findings(path: Path, content: bytes, against: Against) -> tuple[Finding, ...]:
    return lint_text(content, source=str(path), yaml=is_yaml(path), against=against).findings


def _refusal(path: Path, key: str, brought: Sequence[Finding]) -> EditRefusedError:
    first, more = brought[0], len(brought) - 1
    what = f"{more + 1} things, the first" if more else "what was not there before"
    refused = EditRefusedError(
        Place(str(path)).at("flags", key),
        f"nothing was changed: lint would find {what}: {first.problem}",
        first.advice,
    )
    refused.findings = tuple(brought)
    return refused


def _new(after: Sequence[Finding], before: Sequence[Finding]) -> list[Finding]:
    """Give the findings that are not among those before, wherever those stood."""
    known = Counter((each.rule_id, each.flag_key, each.problem) for each in before)
    new = []
    for each in after:
        what = (each.rule_id, each.flag_key, each.problem)
        if known[what] > 0:
            known[what] -= 1
        else:
            new.append(each)
    return new


def _check_others(path: Path, key: str, before: Document, after: Document) -> None:
    """See that no other flag has changed: one may be written where another refers to it."""
    for name in {*before.flags, *after.flags} - {key}:
        if before.flags.get(name) != after.flags.get(name):
            place = Place(str(path)).at("flags", name)
            raise EditRefusedError(place, "the edit would change this flag too", "edit it by hand")
