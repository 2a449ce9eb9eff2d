"""Request: what a service says of one request, and what targeting sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from openfeature.api import get_evaluation_context, get_transaction_context
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from typing_extensions import Required, TypedDict

from openfeature_triton.provider.language import LANGUAGE, PRIMARY, Language, read_language

TASK_TYPE = "task_type"
Attributes = Mapping[str, str | int | float | bool]
_NONE: Attributes = MappingProxyType({})


class Asked(TypedDict, total=False):
    """What a service says of a request beside its task type.

    `service_id`: the caller's own service, where the request goes if no experiment takes it.
    `language`: a BCP 47 tag. Targeting sees its canonical form as `language` and its first subtag
    as `language_primary`; a flag that names `hi` takes `hi-IN` as well.
    `targeting_key`: the unit that is randomised, a request id or a user id.
    `attributes`: what else the flag's targeting may look at.
    """

    service_id: Required[str]
    language: str
    targeting_key: str | None
    attributes: Attributes


class Request(NamedTuple):
    """One request, its language read."""

    task_type: str
    service_id: str
    language: Language
    targeting_key: str | None
    attributes: Attributes

    def context(self, around: EvaluationContext | None) -> EvaluationContext:
        """What targeting and hooks see: the request's own before what is said around it."""
        tag, primary = self.language
        says: dict[str, Any] = {TASK_TYPE: self.task_type, LANGUAGE: tag}
        if primary:
            says[PRIMARY] = primary
        attributes = {**self.attributes, **says} if self.attributes else says
        context = EvaluationContext(self.targeting_key, attributes)
        return context if around is None else around.merge(context)


def read_request(
    task_type: str,
    *,
    service_id: str,
    language: str = "",
    targeting_key: str | None = None,
    attributes: Attributes = _NONE,
) -> Request:
    """Read what was `Asked`; a language that is no text is none."""
    seen = read_language(language if isinstance(language, str) else "")
    return Request(task_type, service_id, seen, targeting_key, attributes)


def around(client: OpenFeatureClient) -> EvaluationContext | None:
    """What API, transaction and client say of every request, merged; None where they say nothing.

    The SDK merges the three each time; they are hardly ever there.
    """
    of_api, of_transaction, of_client = (
        get_evaluation_context(),
        get_transaction_context(),
        client.context,
    )
    if not (
        of_api.attributes
        or of_transaction.attributes
        or of_client.attributes
        or of_api.targeting_key
        or of_transaction.targeting_key
        or of_client.targeting_key
    ):
        return None
    return of_api.merge(of_transaction).merge(of_client)
