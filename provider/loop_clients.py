"""LoopClients: asynchronous clients, one per service and event loop, closed with their loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from openfeature_triton.provider.credential_plugin import CredentialPlugin
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.service import Service, check_service
from openfeature_triton.provider.task_timers import TaskTimer, TaskTimers


class LoopClients:
    """`tritonclient.http.aio` and `tritonclient.grpc.aio` clients of every running event loop.

    A loop that is shut down as `asyncio.run` does it, with its asynchronous generators, closes its
    clients before it ends.
    """

    def __init__(self, total_s: float) -> None:
        self._total_s = total_s
        self._lock = threading.Lock()
        self._loops: dict[asyncio.AbstractEventLoop, _OneLoop] = {}
        self._of_parent: list[object] = []

    def get(self, service: Service) -> Any:
        """Give the running loop's client of a service. Raises InvalidServiceError."""
        mine = self._mine()
        pooled = mine.pooled.get(service.service_id)
        if pooled is None or pooled[0] is not service:
            pooled = self._renew(mine, service, pooled)
        return pooled[1]

    def timer(self, deadline: Deadline) -> TaskTimer:
        """Cut the present task off at a deadline."""
        return self._mine().timers.start(deadline)

    def _mine(self) -> _OneLoop:
        loop = asyncio.get_running_loop()
        return self._loops.get(loop) or self._open(loop)

    def _open(self, loop: asyncio.AbstractEventLoop) -> _OneLoop:
        mine = _OneLoop()
        with self._lock:
            ended = [each for each in self._loops if each.is_closed()]
            for each in ended:
                del self._loops[each]
            self._loops[loop] = mine
        mine.closing = self._close_with(loop, mine)
        with suppress(StopIteration):
            mine.closing.__anext__().send(None)  # from here on, the loop knows the generator
        return mine

    async def _close_with(
        self, loop: asyncio.AbstractEventLoop, mine: _OneLoop
    ) -> AsyncGenerator[None, None]:
        """Wait for the loop to shut down its asynchronous generators."""
        try:
            yield
        finally:
            with self._lock:
                self._loops.pop(loop, None)
            await mine.close()

    def _renew(
        self, mine: _OneLoop, service: Service, stale: tuple[Service, Any] | None
    ) -> tuple[Service, Any]:
        if stale is not None and stale[0] == service:
            client = stale[1]
        else:
            check_service(service)
            client = self._connect(service)
            if stale is not None:
                mine.retired.append(stale[1])  # another task may be waiting for its answer
        pooled = mine.pooled[service.service_id] = (service, client)
        return pooled

    def _connect(self, service: Service) -> Any:
        client: Any
        if service.protocol == "grpc":
            from tritonclient.grpc import aio as grpc_aio  # noqa: PLC0415 - loads grpcio

            client = grpc_aio.InferenceServerClient(service.url)
        else:
            from tritonclient.http import aio as http_aio  # noqa: PLC0415 - loads aiohttp

            client = http_aio.InferenceServerClient(service.url, conn_timeout=self._total_s)
        if service.credential is not None:
            client.register_plugin(CredentialPlugin(service))
        return client

    async def aclose(self) -> None:
        """Close the clients of the running loop; a later call makes new ones."""
        mine = self._loops.get(asyncio.get_running_loop())
        if mine is not None and mine.closing is not None:
            await mine.closing.aclose()

    def start_anew(self) -> None:
        """In a forked child: leave the parent's loops and their clients alone."""
        self._lock = threading.Lock()
        self._of_parent.append(self._loops)
        self._loops = {}


class _OneLoop:
    """The clients of one event loop, by service id, and its timers; used in its thread alone."""

    def __init__(self) -> None:
        self.timers = TaskTimers()
        self.pooled: dict[str, tuple[Service, Any]] = {}
        self.retired: list[Any] = []
        self.closing: AsyncGenerator[None, None] | None = None

    async def close(self) -> None:
        """Close the clients; none is left."""
        clients = [*self.retired, *(client for _, client in self.pooled.values())]
        self.pooled, self.retired = {}, []
        for client in clients:
            await client.close()
