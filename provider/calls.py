"""Calls: one inference on its way, measured, bounded, and recorded.

What is decided stands once, in `_Measured`; `Call` and `AsyncCall` are its two thin edges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Protocol, TypeVar

from openfeature_triton.provider.breaker import Breakers
from openfeature_triton.provider.clients import TritonClients
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.errors import UnknownServiceError
from openfeature_triton.provider.foreign_errors import (
    CANCELLED,
    OTHER,
    SERVER_ERROR,
    TIMEOUT,
    UNAUTHORISED,
    UNREACHABLE,
    error_class,
)
from openfeature_triton.provider.foreign_frames import empty_client_frames
from openfeature_triton.provider.placement import Placed
from openfeature_triton.provider.reports import Reports
from openfeature_triton.provider.route import Route
from openfeature_triton.provider.router import Router
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.thread_clients import Lent
from openfeature_triton.provider.timers import Timer

T = TypeVar("T")

ENDPOINT_FAILURES = frozenset({UNREACHABLE, TIMEOUT, SERVER_ERROR, UNAUTHORISED})
"""Error classes that are the endpoint's and not the request's: the caller's own may do better."""


class Backing(Protocol):
    """What a call asks of the `Experiments` that made it."""

    clients: TritonClients
    breakers: Breakers
    tally: Tally
    router: Router
    reports: Reports

    def token(self, route: Route, served: str) -> str:
        """Sign what a later outcome is credited to."""


class _Measured:
    """One inference: the service to ask, the time it may take, and what is recorded of it."""

    __slots__ = (
        "_backing",
        "_cut_off",
        "_deadline",
        "_lent",
        "_metrics",
        "_placed",
        "_placement",
        "_running",
        "_started_ns",
        "_timer",
        "_until",
        "served",
        "service",
    )

    def __init__(self, placed: Placed, backing: Backing, deadline_s: float) -> None:
        placement, _ = placed
        self.service = placement.route.service
        self.served = placement.route.served
        self._placed = placed
        self._placement = placement
        self._backing = backing
        self._metrics: dict[str, float] = {}
        self._deadline = self._until = Deadline(deadline_s)
        self._lent: Lent | None = None
        self._timer: Timer | None = None
        self._running = False
        self._cut_off: BaseException | None = None
        self._started_ns = 0

    @property
    def route(self) -> Route:
        """Where the request was sent at first, and why."""
        placement, targeting_key = self._placed
        return placement.route_of(targeting_key)

    @property
    def model_name(self) -> str:
        """The model to ask."""
        return self.service.model_name if self.service else ""

    @property
    def model_version(self) -> str:
        """The version to ask for; empty for the latest."""
        return self.service.model_version if self.service else ""

    @property
    def token(self) -> str:
        """A signed text that credits a later outcome to this call; empty outside experiments."""
        return self._backing.token(self.route, self.served)

    @property
    def triton(self) -> Any:
        """The module whose `InferInput` the client takes: `tritonclient.http` or `.grpc`."""
        return import_module(f"tritonclient.{self._known_service().protocol}")

    def record(self, **metrics: float) -> None:
        """Add custom metrics to the outcome, e.g. `output_characters=42`."""
        self._metrics.update(metrics)

    def _known_service(self) -> Service:
        if self.service is None:
            raise UnknownServiceError(self._placement.route.service_id)
        return self.service

    def _leave_time_for_a_fallback(self) -> None:
        """Let the first attempt take half of the time where another service could be asked."""
        if self._placement.route.is_sent_elsewhere:
            self._until = self._deadline.half()

    def _fall_back(self, error: BaseException) -> bool:
        """Turn to the caller's own service if it can help; the first attempt is then over."""
        failure, route = self._failure(error), self._placement.route
        if failure not in ENDPOINT_FAILURES or self.service is not route.service:
            return False
        if not isinstance(error, Exception) and error is not self._cut_off:
            return False  # somebody else's deadline or cancelling: they want an end of it
        own, served = self._backing.router.own_service(route)
        if own is None or self.service is None or own.endpoint == self.service.endpoint:
            return False
        self._leave(error)
        self._backing.tally.count(f"fallback_{failure}")
        self._judge(failure)
        self.service, self.served = own, served
        self._metrics = {}
        self._until = self._deadline
        return True

    def _leave(self, error: BaseException | None) -> None:
        """Stop the timer, and let go of the client; the attempt is over."""
        lent, self._lent = self._lent, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
        if lent is not None:
            lent.let_go(error)

    def _end(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        __: TracebackType | None,
    ) -> None:
        """Record the outcome; raise DeadlineExceededError in the place of the timer's own end."""
        latency_ms = (perf_counter_ns() - self._started_ns) / 1e6
        self._running = False
        try:
            failure = "" if error is None else self._failure(error)
        finally:
            self._leave(error)
        if failure or self._backing.breakers.failing:
            self._judge(failure)
        if self._placement.is_experiment:
            self._backing.reports.outcome(
                self._placed, self.served, latency_ms, failure, self._metrics
            )
        if error is not None and error is self._cut_off:
            raise self._deadline.error() from error

    def _failure(self, error: BaseException) -> str:
        empty_client_frames(error)
        if self._timer is not None and self._timer.raised(error):
            self._cut_off = error
        return TIMEOUT if error is self._cut_off else error_class(error)

    def _judge(self, failure: str) -> None:
        """Tell the assigned service's breaker how its endpoint did."""
        service, route = self.service, self._placement.route
        if service is None or service is not route.service or not route.variant:
            return
        if failure not in (CANCELLED, OTHER):
            self._backing.breakers.judge(service, failed=failure in ENDPOINT_FAILURES)


class Call(_Measured):
    """One inference: a pooled Triton client, the model to ask, and what is recorded of it.

    Used as a context manager. The clock runs from entering to leaving the block, and is monotonic.
    """

    __slots__ = ()

    @property
    def client(self) -> Any:
        """The pooled Triton client of the service, with its credential, for its protocol.

        From here to the end of the block the deadline is enforced, in this thread. Raises
        UnknownServiceError where the caller's own service is not in the registry.
        """
        service, clients = self.service or self._known_service(), self._backing.clients
        if service.protocol == "grpc":
            return clients.bounded_grpc(service, self._until)
        if not self._running:  # nobody would ever let go of it
            return clients.http(service)
        if self._lent is not None and not clients.is_here(self._lent):
            self._leave(None)  # the call has gone on in another thread, or process
        if self._lent is None:
            self._lent = clients.lend(service)
            self._timer = self._lent.timers.start(self._until)
        return self._lent.client

    def __enter__(self) -> Call:
        self._running = True
        self._started_ns = perf_counter_ns()
        return self

    __exit__ = _Measured._end

    def run(self, fn: Callable[[Call], T]) -> T:
        """Give what `fn` gives on the assigned service, or else on the caller's own."""
        self._leave_time_for_a_fallback()
        with self:
            try:
                return fn(self)
            except BaseException as error:
                if not self._fall_back(error):
                    raise
            return fn(self)


class AsyncCall(_Measured):
    """One inference in asyncio: as `Call`, with the event loop's own clients."""

    __slots__ = ()

    @property
    def client(self) -> Any:
        """The running loop's client of the service, with its credential, for its protocol.

        Raises UnknownServiceError where the caller's own service is not in the registry.
        """
        return self._backing.clients.aio(self._known_service())

    async def __aenter__(self) -> AsyncCall:
        self._started_ns = perf_counter_ns()
        self._timer = self._backing.clients.task_timer(self._until)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(kind, error, traceback)

    async def run(self, fn: Callable[[AsyncCall], Awaitable[T]]) -> T:
        """Give what `fn` gives on the assigned service, or else on the caller's own."""
        self._leave_time_for_a_fallback()
        async with self:
            try:
                return await fn(self)
            except BaseException as error:
                if not self._fall_back(error):
                    raise
            self._timer = self._backing.clients.task_timer(self._until)
            return await fn(self)
