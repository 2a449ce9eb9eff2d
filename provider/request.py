"""Request: what a service says of one request, and what targeting sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from openfeature.api import get_evaluation_context, get_transaction_context
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from typing_extensions import Required, TypedDict

from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.provider.language import LANGUAGE, PRIMARY, read_language

TASK_TYPE = "task_type"
Attributes = Mapping[str, str | int | float | bool]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


class Asked(TypedDict, total=False):
    """What a service says of a request beside its task type; see `Experiments.route`."""

    service_id: Required[str]
    language: str
    targeting_key: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What requests of one kind have in common: all but targeting key and attributes.

    `language` is its canonical tag; `attributes` are what targeting sees of both.
    """

    task_type: str
    language: str
    service_id: str
    attributes: Attributes


@lru_cache(maxsize=4096)
def kind_of(task_type: str, language: str, service_id: str) -> Kind:
    """Read the language; the same object for the same kind."""
    tag, primary = read_language(language)
    attributes = {TASK_TYPE: task_type, LANGUAGE: tag}
    if primary:
        attributes[PRIMARY] = primary
    return Kind(task_type, tag, service_id, FrozenDict(attributes))


def context_of(
    client: OpenFeatureClient, kind: Kind, targeting_key: str | None, attributes: Attributes
) -> EvaluationContext:
    """What targeting and hooks see: the request's own before what is said around it."""
    own = {**attributes, **kind.attributes} if attributes else kind.attributes
    context, outer = EvaluationContext(targeting_key, own), around(client)
    return context if outer is None else outer.merge(context)


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
