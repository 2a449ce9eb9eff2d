"""Experiments: the one integration point of a service.

with experiments.infer("nmt", language="hi", targeting_key=request_id,
                       service_id="nmt-indictrans2") as call:
    result = call.client.infer(call.model_name, inputs)
    call.record(output_characters=len(text))
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from openfeature.client import OpenFeatureClient
from typing_extensions import Unpack

from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.calls import AsyncCall, Call
from openfeature_triton.provider.client_modules import import_clients_of
from openfeature_triton.provider.clients import TritonClients
from openfeature_triton.provider.credit_token import BadTokenError, Credited, TokenSigner
from openfeature_triton.provider.reports import Reports
from openfeature_triton.provider.request import NO_ATTRIBUTES, Asked, Attributes
from openfeature_triton.provider.route import Route
from openfeature_triton.provider.router import Router
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.tally import Tally

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Experiments:
    """Chooses the service of each request, and measures what came of it.

    Args:
        client: an OpenFeature client whose provider is a `TritonProvider`.
        own: services that this process knows without the registry, by id; what a request falls
            back on even while the registry is away.
        settings: read from the environment (`OFT_…`) if not given.

    Whatever fails, a request goes to the service that its caller named.
    """

    def __init__(
        self,
        client: OpenFeatureClient,
        *,
        own: Mapping[str, Service] = MappingProxyType({}),
        settings: ProviderSettings | None = None,
    ) -> None:
        settings = settings or ProviderSettings()
        self._deadline_s = settings.deadline_s
        self.clients = TritonClients(settings)
        import_clients_of(own.values())
        self.tally = Tally(_log)
        self.reports = Reports(client, self.tally)
        self.breakers = Breakers(
            settings.breaker_failures, settings.breaker_rest_s, on_change=self.reports.breaker
        )
        self.router = Router(client, own, self.breakers, self.tally)
        self.router.enabled = settings.experiments
        keys = settings.token_key if settings.token_key.get_secret_value() else settings.keys
        self._signer = TokenSigner(keys, settings.token_ttl_s)

    def enable(self) -> None:
        """Let requests take part in experiments (again)."""
        self.router.enabled = True

    def disable(self) -> None:
        """Send each request to its caller's own service from now on."""
        self.router.enabled = False

    def counts(self) -> Mapping[str, int]:
        """How many requests were routed for each `RouteReason`; `fallback_<error class>`, too."""
        return self.tally.counts()

    def stats(self) -> Mapping[str, Any]:
        """What operators ask for: `counts`, breakers that are not closed, how often one opened.

        `provider` counts what failed there: tracking, tracing.
        """
        return {
            "counts": self.counts(),
            "breakers": self.breakers.states(),
            "breakers_opened": self.breakers.opened,
            "provider": self.router.provider_counts(),
        }

    def close(self) -> None:
        """Close the pooled Triton clients; asynchronous ones are closed with their event loop."""
        self.clients.close()

    def route(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> Route:
        """Choose where a request goes; never raises.

        Args:
            task_type: `asr`, `nmt`, `tts`, `ocr`, `ner` or another.
            service_id: the caller's own service, where it goes if no experiment takes it.
            language: a BCP 47 tag. Targeting sees its canonical form as `language` and its first
                subtag as `language_primary`; a flag that names `hi` takes `hi-IN` as well.
            targeting_key: the unit that is randomised, a request id or a user id.
            attributes: what else the flag's targeting may look at.
        """
        placement, key = self.router.place(
            task_type, service_id, language, targeting_key, attributes
        )
        return placement.route_of(key)

    def infer(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        deadline_s: float | None = None,
    ) -> Call:
        """Route a request and measure its inference: a context manager that gives the `Call`.

        Arguments as for `route`. What the block raises is recorded by its class and goes on; what
        its Triton client has not answered by `deadline_s` seconds (`OFT_DEADLINE_S`) is cut off
        by DeadlineExceededError.
        """
        placed = self.router.place(task_type, service_id, language, targeting_key, attributes)
        return Call(placed, self, self._deadline_s if deadline_s is None else deadline_s)

    def infer_async(
        self,
        task_type: str,
        *,
        service_id: str,
        language: str = "",
        targeting_key: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        deadline_s: float | None = None,
    ) -> AsyncCall:
        """As `infer`, for `async with`: the `AsyncCall` has the event loop's own client."""
        placed = self.router.place(task_type, service_id, language, targeting_key, attributes)
        return AsyncCall(placed, self, self._deadline_s if deadline_s is None else deadline_s)

    def call(
        self,
        fn: Callable[[Call], T],
        task_type: str,
        *,
        deadline_s: float | None = None,
        **asked: Unpack[Asked],
    ) -> T:
        """Give what `fn(call)` gives on the assigned service, or else on the caller's own.

        `fn` is run a second time, on the caller's own service, where the assigned endpoint is
        unreachable, refuses, times out or answers 5xx, 401 or 403; both within `deadline_s`, the
        first within half of it. It should do the inference and nothing that may not happen twice.
        Arguments and errors as for `infer`.
        """
        return self.infer(task_type, deadline_s=deadline_s, **asked).run(fn)

    async def call_async(
        self,
        fn: Callable[[AsyncCall], Awaitable[T]],
        task_type: str,
        *,
        deadline_s: float | None = None,
        **asked: Unpack[Asked],
    ) -> T:
        """As `call`, for a coroutine function."""
        return await self.infer_async(task_type, deadline_s=deadline_s, **asked).run(fn)

    def credit(self, token: str, **metrics: float) -> bool:
        """Add custom metrics to the variant and phase of an earlier call, e.g. `bleu_score=0.4`.

        `token` is that call's, in this process or another with the same key, up to
        `OFT_TOKEN_TTL_S` before. Says whether it was taken; one that is forged, foreign or too old
        is refused and counted (`forged_token`, `expired_token`). Never raises.
        """
        try:
            self.reports.credit(self._signer.read(token), metrics)
        except BadTokenError as refused:
            self.tally.count(refused.reason)
            return False
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self.tally.trouble("a later outcome was not credited")
            return False
        self.tally.count("credited")
        return True

    def token(self, route: Route, served: str) -> str:
        """Sign what a later outcome is credited to; empty outside experiments, or without a key."""
        if not route.is_experiment:
            return ""
        credited = Credited(
            route.experiment,
            route.phase,
            route.variant,
            served,
            route.service_id,
            route.task_type,
            route.language,
        )
        if not self._signer.can_sign:
            self.tally.trouble("no credit token was signed: set OFT_TOKEN_KEY or OFT_KEYS")
        return self._signer.sign(credited)
