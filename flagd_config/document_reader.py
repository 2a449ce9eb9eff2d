"""Reads the documents of one source, one after the other: what a running service wants.

`parse_document` is strict, for whoever is about to apply a file. Here one bad flag costs only that
flag, and a flag whose text is the same as in the document before is not read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from openfeature_triton.flagd_config.document import Document, in_order
from openfeature_triton.flagd_config.errors import (
    FlagFileError,
    Place,
    RefusedByFlagdError,
)
from openfeature_triton.flagd_config.evaluators import References
from openfeature_triton.flagd_config.experiment import Experiment, is_experiment, read_experiment
from openfeature_triton.flagd_config.flag_shape import check_document, check_flag
from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.flagd_config.json_members import Member, Members, NotMembersError
from openfeature_triton.flagd_config.json_values import check_values
from openfeature_triton.flagd_config.phase import BUCKETINGS
from openfeature_triton.flagd_config.shipped import Shipped, in_order_of_end, read_shipped
from openfeature_triton.flagd_config.syntax import decode, json_object, parse


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was made of the text of one flag."""

    text: str
    flag: dict[str, Any] | None = None
    experiment: Experiment | None = None
    error: FlagFileError | None = None
    says_experiment: bool = False
    shipped: Shipped | None = None


class DocumentReader:
    """Reads one document after another, leniently; not for several threads at once.

    An unchanged flag is the very same object in the next document, so that whoever compiles flags
    can tell by identity. Works in slices of two milliseconds, between which requests run.

    Args:
        source: names the documents in messages.
        bucketing: "v2" or "v3", the generation of flagd's hash.
        yaml: whether the documents are YAML.
        allow_empty: whether a document without any flag is taken, which removes all.
        allow_all_refused: whether one is taken that has flags, but not one good one.
    """

    def __init__(
        self,
        source: str,
        *,
        bucketing: str = "v3",
        yaml: bool = False,
        allow_empty: bool = False,
        allow_all_refused: bool = False,
    ) -> None:
        if bucketing not in BUCKETINGS:
            raise ValueError(f"bucketing must be one of {', '.join(BUCKETINGS)}, not {bucketing!r}")
        self.source = source
        self.bucketing = bucketing
        self._place = Place(source)
        self._yaml = yaml
        self._allow_empty = allow_empty
        self._allow_all_refused = allow_all_refused
        self._entries: dict[str, _Entry] = {}
        self._rules = ""

    def read(self, text: str | bytes) -> Document:
        """Read a document; `refused` of what is given tells the flags that were left out.

        Raises FlagFileError for a document that is no good as a whole, or has not one good flag;
        the next one is then compared with the last good one.
        """
        give_way = GiveWay()
        top, flags = self._split(text, give_way)
        self._check_top(top, flags)
        entries = self._read_flags(top, flags, give_way)
        del flags
        give_way()
        document = self._document(top, entries, give_way)
        give_way()
        self._entries, self._rules = entries, _rules(top)
        return document

    # From the text to its members

    def _split(
        self, text: str | bytes, give_way: GiveWay
    ) -> tuple[dict[str, Any], dict[str, Member] | None]:
        """Give what stands beside the flags, and the flags' members (None without flags)."""
        if self._yaml:
            return self._split_values(parse(text, source=self.source, yaml=True))
        decoded = decode(text, self._place)
        try:
            return self._split_json(Members(decoded, 0, "flags"), decoded, give_way)
        except (NotMembersError, ValueError, RecursionError):
            # Read again as a whole, which raises with line and column.
            return self._split_values(parse(decoded, source=self.source, yaml=False))

    def _split_json(
        self, members: Members, text: str, give_way: GiveWay
    ) -> tuple[dict[str, Any], dict[str, Member] | None]:
        top: dict[str, Any] = {}
        flags: dict[str, Member] | None = None
        for member in members:
            if member.key in top:
                raise NotMembersError(f"{member.key!r} stands twice")
            top[member.key] = member.value
            if isinstance(member.value, Members):
                flags = self._split_flags(member.value, give_way)
                top[member.key] = {}
        if text[members.end :].strip(" \t\r\n"):
            raise NotMembersError("something follows the end")
        return top, flags

    def _split_flags(self, members: Iterable[Member], give_way: GiveWay) -> dict[str, Member]:
        """Give the flags by key; the values of unchanged ones are dropped at once."""
        flags: dict[str, Member] = {}
        for member in members:
            known = self._entries.get(member.key)
            same = known is not None and known.text == member.text
            if member.key in flags:
                raise NotMembersError(f"{member.key!r} stands twice")
            flags[member.key] = member._replace(value=None) if same else member
            give_way()
        return flags

    def _split_values(self, value: Any) -> tuple[dict[str, Any], dict[str, Member] | None]:
        check_document(value, self._place)
        members = (Member(key, flag, json.dumps(flag)) for key, flag in value["flags"].items())
        return {**value, "flags": {}}, {each.key: each for each in members}

    # From the members to the flags

    def _check_top(self, top: dict[str, Any], flags: dict[str, Member] | None) -> None:
        check_values(top, self._place)
        check_document(top, self._place)
        if not flags and not self._allow_empty:
            raise RefusedByFlagdError(
                self._place.at("flags"),
                "there are no flags: this would silently remove every flag",
                "restore the file (or the selector), or allow it with OFT_ALLOW_EMPTY=on",
            )

    def _read_flags(
        self, top: dict[str, Any], flags: dict[str, Member] | None, give_way: GiveWay
    ) -> dict[str, _Entry]:
        rules = top.get("$evaluators") or {}
        same_rules = _rules(top) == self._rules
        entries = {}
        for key, member in (flags or {}).items():
            known = self._entries.get(key)
            if known is None or known.text != member.text or not same_rules:
                known = self._read_flag(member, rules)
            entries[key] = known
            give_way()
        return entries

    def _read_flag(self, member: Member, rules: dict[str, Any]) -> _Entry:
        place = self._place.at("flags", member.key)
        value = member.value
        if value is None:  # dropped as unchanged, before the shared rules turned out to differ
            value = json.loads(member.text, object_pairs_hook=json_object)
        try:
            if not member.is_plain:
                check_values({member.key: None}, self._place.at("flags"))
                check_values(value, place)
            if "$ref" in member.text or "\\u" in member.text:
                value = References(rules, self._place).resolve(member.key, value)
            check_flag(value, place)
            experiment = (
                read_experiment(member.key, value, place, self.bucketing)
                if is_experiment(value)
                else None
            )
        except FlagFileError as error:
            return _Entry(member.text, error=error, says_experiment=_says_experiment(value))
        return _Entry(member.text, value, experiment, shipped=read_shipped(member.key, value))

    def _document(
        self, top: dict[str, Any], entries: dict[str, _Entry], give_way: GiveWay
    ) -> Document:
        flags: dict[str, Any] = {}
        experiments: list[Experiment] = []
        refused: list[FlagFileError] = []
        concluded: list[Shipped] = []
        broken: list[str] = []
        for key, entry in entries.items():
            give_way()
            if entry.flag is not None:
                flags[key] = entry.flag
            if entry.experiment is not None:
                experiments.append(entry.experiment)
            if entry.shipped is not None:
                concluded.append(entry.shipped)
            if entry.error is not None:
                refused.append(entry.error)
            if entry.says_experiment:
                broken.append(key)
        if refused and not flags and not self._allow_all_refused:
            raise refused[0]
        ordered = in_order(experiments)
        give_way()
        return Document(
            source=self.source,
            flags=FrozenDict(flags),
            metadata=FrozenDict(top.get("metadata", {})),
            experiments=FrozenDict(ordered),
            refused=tuple(refused),
            broken=frozenset(broken),
            bucketing=self.bucketing,
            shipped=FrozenDict(in_order_of_end(concluded)),
        )


def _says_experiment(value: Any) -> bool:
    """Whether a flag that was refused, of whatever shape, calls itself an experiment."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return isinstance(metadata, dict) and is_experiment({"metadata": metadata})


def _rules(top: dict[str, Any]) -> str:
    """The shared rules as text, in their order, which counts."""
    return json.dumps(top.get("$evaluators") or {})
