"""Evaluates the flags of one document with flagd's semantics; never changes after it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, Reason

from openfeature_triton.flagd_config import Document
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.catalogue import Catalogue
from openfeature_triton.provider.compiled_flag import CompiledFlag, Metadata, Outcome


class Evaluator:
    """The flags of one document, ready to be asked; a new document gets a new evaluator.

    Replacing the evaluator is one assignment, so a request sees one document from start to end.
    Flags that are the same objects as in the document of `previous` are not compiled again.
    """

    def __init__(self, document: Document, previous: Evaluator | None = None) -> None:
        self.document = document
        self.context = document.context
        self.flags: Mapping[str, CompiledFlag] = _compiled(document, previous)
        self.catalogue: Catalogue = Catalogue(
            document, self.flags, previous.catalogue if previous else None
        )

    def resolve(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        """Evaluate one flag; an error is in the details beside the caller's default, not raised."""
        flag = self.flags.get(key)
        if flag is None:
            return not_found(key, default)
        return details(flag, evaluate(flag, context), flag_type, default)

    def uncompiled(self) -> Mapping[str, int]:
        """How often which operators are left to the reference implementation."""
        total: Counter[str] = Counter()
        for flag in self.flags.values():
            total.update(flag.uncompiled)
        return total


def evaluate(flag: CompiledFlag, context: EvaluationContext | None) -> Outcome:
    """What a flag gives in a context."""
    if context is None:
        return flag.evaluate({}, None)
    return flag.evaluate(context.attributes, context.targeting_key)


def details(
    flag: CompiledFlag, outcome: Outcome, flag_type: FlagType, default: Any
) -> FlagResolutionDetails[Any]:
    """An outcome as the type that the caller asked for."""
    if outcome.variant is None:
        if outcome.error_code is not None:
            return failed(default, outcome.error_code, outcome.message or "")
        value = default
    elif flag_type not in outcome.types:
        kind = type(outcome.value).__name__
        message = f"flag {flag.key!r} is a {kind}, not a {flag_type.lower()}"
        return failed(default, ErrorCode.TYPE_MISMATCH, message)
    else:
        value = outcome.value if outcome.plain else _copy(outcome.value)
    if flag_type is FlagType.FLOAT and isinstance(value, int):
        value = float(value)
    return FlagResolutionDetails(value, None, None, outcome.reason, outcome.variant, flag.metadata)


def not_found(key: str, default: Any) -> FlagResolutionDetails[Any]:
    """The caller's default for a flag that the document does not have."""
    return failed(default, ErrorCode.FLAG_NOT_FOUND, f"there is no flag {key!r}")


def failed(default: Any, code: ErrorCode, message: str) -> FlagResolutionDetails[Any]:
    """The caller's default with the reason why; the same in the sync and the async path."""
    return FlagResolutionDetails(
        default, error_code=code, error_message=message, reason=Reason.ERROR
    )


def _compiled(document: Document, previous: Evaluator | None) -> dict[str, CompiledFlag]:
    """Compile the flags, in slices between which requests run."""
    give_way = GiveWay()
    before = _known(document, previous)
    known = previous.flags if previous is not None else {}
    flags = {}
    for key, flag in document.flags.items():
        if before.get(key) is flag:
            flags[key] = known[key]
        else:
            metadata = _metadata(document, key, flag)
            flags[key] = CompiledFlag(key, flag, metadata, document.bucketing)
        give_way()
    return flags


def _known(document: Document, previous: Evaluator | None) -> Mapping[str, Any]:
    """The flags of the document before, if the same flag is compiled to the same in both."""
    if previous is None:
        return {}
    one = previous.document
    alike = one.bucketing == document.bucketing and one.metadata == document.metadata
    return one.flags if alike else {}


def _metadata(document: Document, key: str, flag: Mapping[str, Any]) -> Metadata:
    """The document's metadata, the flag's over it, and an experiment's phase."""
    metadata = {**document.metadata, **(flag.get("metadata") or {})}
    experiment = document.experiments.get(key)
    if experiment is not None:
        metadata["phase"] = experiment.phase
    return MappingProxyType(metadata)


def _copy(value: Any) -> Any:
    """A caller may change what it is given, the document stays as it is."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
