"""Lint: everything that is wrong with a flag file, or would do what nobody wants."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from openfeature_triton.flagd_config import (
    document_rules,
    metadata_rules,
    targeting_rules,
    traffic_rules,
)
from openfeature_triton.flagd_config.document import YAML_SUFFIXES, in_order
from openfeature_triton.flagd_config.errors import (
    FlagFileError,
    MalformedFileError,
    Place,
    RepeatedKeyError,
    UnreadableFileError,
)
from openfeature_triton.flagd_config.evaluators import References
from openfeature_triton.flagd_config.experiment import Experiment, is_experiment, read_experiment
from openfeature_triton.flagd_config.findings import ERROR, Draft, Finding
from openfeature_triton.flagd_config.flag_rules import check_rules
from openfeature_triton.flagd_config.flag_shape import check_document, check_flag
from openfeature_triton.flagd_config.json_values import check_values
from openfeature_triton.flagd_config.placing import find_positions, place_drafts, place_error
from openfeature_triton.flagd_config.positions import json_positions
from openfeature_triton.flagd_config.registry_services import KnownService
from openfeature_triton.flagd_config.rules import RULES
from openfeature_triton.flagd_config.syntax import decode, parse, read_bytes
from openfeature_triton.flagd_config.trial import try_targeting


@dataclass(frozen=True, slots=True)
class Against:
    """What a file is held against.

    `services` are the registry's, None where none is given; `before` are the flags that run now,
    for what must not change while they do; `now` decides which dates have passed.
    """

    bucketing: str = "v3"
    services: Mapping[str, KnownService] | None = None
    before: Mapping[str, Any] | None = None
    task_types: tuple[str, ...] = targeting_rules.TASK_TYPES
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one file, in the order of its lines, and the experiments that can work."""

    path: str
    findings: tuple[Finding, ...]
    flags: int = 0
    experiments: tuple[Experiment, ...] = ()
    could_not_run: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing was found that counts."""
        return not any(finding.counts for finding in self.findings)


def lint_file(path: str | Path, against: Against | None = None) -> Report:
    """Lint a flag file, as YAML where its suffix is .yaml or .yml; never raises FlagFileError."""
    try:
        raw = read_bytes(path)
    except UnreadableFileError as error:
        return Report(str(path), (place_error(error, "unreadable"),), could_not_run=True)
    yaml = Path(path).suffix.lower() in YAML_SUFFIXES
    return lint_text(raw, source=os.fspath(path), yaml=yaml, against=against)


def lint_text(
    text: str | bytes, *, source: str, yaml: bool = False, against: Against | None = None
) -> Report:
    """Lint a flag document from memory; `source` names it."""
    lint = _Lint(source, yaml, against or Against())
    try:
        lint.run(text)
    except MalformedFileError as error:
        rule = "duplicate-key" if isinstance(error, RepeatedKeyError) else "syntax"
        return Report(source, (place_error(error, rule, text, yaml=yaml),))
    except FlagFileError as error:
        return Report(source, (place_error(error, "schema", text, yaml=yaml),))
    experiments = tuple(in_order(lint.experiments).values())
    return Report(source, lint.findings(text), len(lint.flags), experiments)


class _Lint:
    """One run over one document."""

    def __init__(self, source: str, yaml: bool, against: Against) -> None:
        self._place = Place(source)
        self._yaml = yaml
        self._against = against
        self._drafts: list[Draft] = []
        self._secrets: set[str] = set()
        self.flags: dict[str, Any] = {}
        self.experiments: list[Experiment] = []

    def run(self, text: str | bytes) -> None:
        """Gather drafts; raises FlagFileError where nothing further can be said."""
        document = self._parse(text)
        self._check_secrets(document)
        if not self._check_top(document):
            return
        references = References(document.get("$evaluators") or {}, self._place)
        for key, written in document["flags"].items():
            flag = self._read_flag(key, written, references)
            if flag is not None:
                self.flags[key] = flag
                self._check_flag(key, flag)
        if self._against.before is not None:
            self._add(traffic_rules.check_removed_variants(self._against.before, self.flags))
        self._add(traffic_rules.check_overlaps(in_order(self.experiments)))

    def _parse(self, text: str | bytes) -> Any:
        try:
            return parse(text, source=self._place.source, yaml=self._yaml)
        except RepeatedKeyError:
            if self._yaml:
                raise
        decoded = decode(text, self._place)
        for steps, _ in json_positions(decoded).repeated:
            problem = f"the key {steps[-1]!r} stands here twice, and readers silently keep the last"
            self._drafts.append(
                Draft("duplicate-key", steps, problem, "remove or rename one of the two")
            )
        value = json.loads(decoded)
        check_values(value, self._place)
        return value

    def _check_secrets(self, document: Any) -> None:
        for draft, secret in document_rules.check_secrets(document):
            self._drafts.append(draft)
            self._secrets.add(secret)

    def _check_top(self, document: Any) -> bool:
        if isinstance(document, dict) and document.get("flags", {}) == {}:
            self._drafts.append(
                Draft(
                    "wipes-all-flags",
                    ("flags",) if "flags" in document else (),
                    "there are no flags: applied, this file removes every flag",
                    'put the flags under "flags", or restore the file from git',
                )
            )
            return "flags" in document and not document["flags"] and self._is_fine(document)
        return self._is_fine(document)

    def _is_fine(self, document: Any) -> bool:
        metadata = document.get("metadata") if isinstance(document, dict) else None
        bad = list(metadata_rules.check_primitives(metadata, ("metadata",)))
        self._drafts += bad
        if bad:
            document = {**document, "metadata": {}}
        try:
            check_document(document, self._place)
        except FlagFileError as error:
            self._refuse(error, "schema")
            return False
        return True

    def _refuse(self, error: FlagFileError, rule_id: str) -> None:
        steps = error.args[0].steps
        self._drafts.append(Draft(rule_id, steps, error.problem, error.advice))

    def _add(self, drafts: Iterable[Draft]) -> None:
        self._drafts += drafts

    def _read_flag(self, key: str, written: Any, references: References) -> dict[str, Any] | None:
        """Give a flag with its `$ref`s resolved, without the metadata that flagd refuses."""
        steps = ("flags", key)
        try:
            flag = references.resolve(key, written)
            metadata: Any = flag.get("metadata") if isinstance(flag, dict) else None
            bad = list(metadata_rules.check_primitives(metadata, (*steps, "metadata")))
            self._drafts += bad
            if bad:
                names = {draft.steps[-1] for draft in bad}
                kept = {name: value for name, value in metadata.items() if name not in names}
                flag = {**flag, "metadata": kept}
            check_flag(flag, self._place.at(*steps))
        except FlagFileError as error:
            self._refuse(error, "schema")
            return None
        return dict(flag)

    def _check_flag(self, key: str, flag: dict[str, Any]) -> None:
        before = len(self._drafts)
        self._add(check_rules(key, flag, self._against))
        if is_experiment(flag):
            self._read_experiment(key, flag, since=before)
        if not self._has_errors(before):
            self._add(try_targeting(key, flag, self._against.bucketing))

    def _read_experiment(self, key: str, flag: dict[str, Any], since: int) -> None:
        place = self._place.at("flags", key)
        try:
            self.experiments.append(read_experiment(key, flag, place, self._against.bucketing))
        except FlagFileError as error:
            if not self._has_errors(since):
                self._refuse(error, "experiment")

    def _has_errors(self, since: int) -> bool:
        return any(RULES[draft.rule_id].severity == ERROR for draft in self._drafts[since:])

    def findings(self, text: str | bytes) -> tuple[Finding, ...]:
        """Give what was found, with its lines; those of a clean text are not looked for."""
        if not self._drafts:
            return ()
        positions = find_positions(text, self._place, yaml=self._yaml)
        return place_drafts(self._drafts, positions, self._place, self._secrets)
