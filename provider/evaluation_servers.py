"""Servers that evaluate flags by themselves, asked for the variant that they give: OFREP, flagd."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from openfeature.evaluation_context import EvaluationContext

if TYPE_CHECKING:
    from openfeature_triton.provider.sync_settings import SyncSettings

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EvaluationServer(Protocol):
    """A server that evaluates flags by itself."""

    def variant(self, flag_key: str, context: EvaluationContext, /) -> str | None:
        """The variant that it gives; None if it gives none or can't be asked."""


class Ofrep:
    """A server that speaks OFREP, such as flagd.

    Args:
        url: where it is, e.g. "http://localhost:8016".
        timeout_s: for one answer.
    """

    def __init__(self, url: str, timeout_s: float = 0.5) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    def variant(self, flag_key: str, context: EvaluationContext) -> str | None:
        """The variant that the server gives; None if it gives none or can't be asked."""
        request = urllib.request.Request(  # noqa: S310 - the operator's own URL
            f"{self._url}/ofrep/v1/evaluate/flags/{quote(flag_key, safe='')}",
            json.dumps({"context": _said(context)}).encode(),
            {"content-type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=self._timeout_s) as answer:
                variant = json.load(answer).get("variant")
        except (OSError, ValueError, AttributeError):
            return None
        return variant if isinstance(variant, str) else None


class FlagdRpc:
    """flagd's own evaluation over gRPC, for one that has no OFREP.

    Args:
        settings: where flagd is.
        timeout_s: for one answer.
    """

    def __init__(self, settings: SyncSettings, timeout_s: float = 0.5) -> None:
        self._settings = settings
        self._timeout_s = timeout_s

    def variant(self, flag_key: str, context: EvaluationContext) -> str | None:
        """The variant that flagd gives; None if it gives none or can't be asked."""
        # Imported here: gRPC is slow to import, and most services read a file.
        from openfeature_triton.provider import flagd_channel  # noqa: PLC0415

        return flagd_channel.variant(self._settings, flag_key, _said(context), self._timeout_s)


class FirstThatAnswers:
    """Several ways to the same server; the first that gives a variant is believed."""

    def __init__(self, servers: Sequence[EvaluationServer]) -> None:
        self._servers = servers

    def variant(self, flag_key: str, context: EvaluationContext) -> str | None:
        """The variant that the server gives; None if it gives none or can't be asked."""
        answers = (server.variant(flag_key, context) for server in self._servers)
        return next((variant for variant in answers if variant is not None), None)


def _said(context: EvaluationContext) -> dict[str, Any]:
    """A context as flagd's protocols send it."""
    return {**context.attributes, "targetingKey": context.targeting_key}
