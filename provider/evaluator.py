"""Evaluates the flags of one document with flagd's semantics; never changes after it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, OpenFeatureError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, Reason

from openfeature_triton.flagd_config import Document

Resolve = Callable[[str, Any, "EvaluationContext | None"], "FlagResolutionDetails[Any]"]


class Evaluator:
    """The flags of one document, ready to be asked; a new document gets a new evaluator.

    Replacing the evaluator is one assignment, so a request sees one document from start to end.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        core = FlagdCore()
        core.set_flags(document.as_flagd())
        self._resolve: Mapping[FlagType, Resolve] = {
            FlagType.BOOLEAN: core.resolve_boolean_value,
            FlagType.STRING: core.resolve_string_value,
            FlagType.INTEGER: core.resolve_integer_value,
            FlagType.FLOAT: core.resolve_float_value,
            FlagType.OBJECT: core.resolve_object_value,
        }
        self.catalogue = {
            each.task_type: document.of_task(each.task_type)
            for each in document.experiments.values()
        }
        self._metadata = {
            key: MappingProxyType({**document.metadata, **each.metadata, "phase": each.phase})
            for key, each in document.experiments.items()
        }

    def resolve(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        """Evaluate one flag; an error is in the details beside the caller's default, not raised."""
        try:
            details = self._resolve[flag_type](key, default, context)
        except OpenFeatureError as error:
            return failed(default, error.error_code, error.error_message or str(error))
        except Exception as error:  # noqa: BLE001 - json-logic raises whatever a rule provokes
            return failed(default, ErrorCode.PARSE_ERROR, f"flag {key!r}: {type(error).__name__}")
        metadata = self._metadata.get(key)
        if metadata is not None:
            details.flag_metadata = metadata
        return details


def failed(default: Any, code: ErrorCode, message: str) -> FlagResolutionDetails[Any]:
    """The caller's default with the reason why; the same in the sync and the async path."""
    return FlagResolutionDetails(
        default, error_code=code, error_message=message, reason=Reason.ERROR
    )
