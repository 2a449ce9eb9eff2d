"""TritonClients: pooled tritonclient clients that carry their service's credential.

HTTP clients belong to one thread and call, gRPC clients to all, asynchronous ones to one event
loop.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from openfeature_triton.provider.client_modules import import_http
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.loop_clients import LoopClients
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.task_timers import TaskTimer
from openfeature_triton.provider.thread_clients import Lent, ThreadClients

if TYPE_CHECKING:
    from openfeature_triton.provider.grpc_clients import GrpcClients


class TritonClients:
    """One client per service and thread or call (HTTP), process (gRPC), event loop (asynchronous).

    Made when first asked for, and anew when the service's record has changed and in a forked
    child; those of ended threads and loops are closed.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        import_http()
        self._lock = threading.Lock()
        self._of_threads = ThreadClients(settings)
        self._grpc: GrpcClients | None = None
        self._of_loops = LoopClients(settings.network_timeout_s)
        _after_fork(self)

    def http(self, service: Service) -> Any:
        """Give this thread's `tritonclient.http.InferenceServerClient` of a service.

        Raises InvalidServiceError where the record could not work, before anything is sent.
        """
        lent = self._of_threads.lend(service)
        lent.let_go(None)
        return lent.client

    def lend(self, service: Service) -> Lent:
        """Give such a client to one call, which lets go of it. Raises InvalidServiceError."""
        return self._of_threads.lend(service)

    def is_here(self, lent: Lent) -> bool:
        """Whether such a client is this thread's: a call may have gone on in another."""
        return self._of_threads.is_here(lent)

    def grpc(self, service: Service) -> Any:
        """Give the `tritonclient.grpc.InferenceServerClient` that all threads share.

        Raises InvalidServiceError.
        """
        if self._grpc is None:
            self._open_grpc()
        return self._grpc.get(service)  # type: ignore[union-attr]

    def bounded_grpc(self, service: Service, deadline: Deadline) -> Any:
        """Give the same client for one call: whatever is asked through it ends by the deadline."""
        from openfeature_triton.provider.grpc_clients import BoundedClient  # noqa: PLC0415 - grpcio

        return BoundedClient(self.grpc(service), deadline)

    def aio(self, service: Service) -> Any:
        """Give the running loop's client of a service, from `tritonclient.<protocol>.aio`.

        Raises InvalidServiceError.
        """
        return self._of_loops.get(service)

    def task_timer(self, deadline: Deadline) -> TaskTimer:
        """Cut off whatever the present task waits for, at a deadline."""
        return self._of_loops.timer(deadline)

    def close(self) -> None:
        """Close every client but the asynchronous ones; a later call makes new ones."""
        if self._grpc is not None:
            self._grpc.close()
        self._of_threads.close()

    async def aclose(self) -> None:
        """Close the running loop's clients; a later call makes new ones."""
        await self._of_loops.aclose()

    def _open_grpc(self) -> None:
        from openfeature_triton.provider.grpc_clients import GrpcClients  # noqa: PLC0415 - grpcio

        with self._lock:
            if self._grpc is None:
                self._grpc = GrpcClients()

    def _start_anew(self) -> None:
        """In a forked child: leave the parent's clients alone, and make gevent usable.

        Without `reinit`, the loop that the forking thread inherits waits for ever, and so do its
        timeouts.
        """
        self._lock = threading.Lock()
        self._of_threads.start_anew()
        self._of_loops.start_anew()
        if self._grpc is not None:
            self._grpc.start_anew()
        if "gevent" in sys.modules:
            sys.modules["gevent"].reinit()


def _after_fork(clients: TritonClients) -> None:
    """Wake the clients in each forked child, without keeping them alive."""
    reference = weakref.ref(clients)

    def wake() -> None:
        """In a forked child: begin anew, if the clients still live."""
        living = reference()
        if living is not None:
            living._start_anew()

    os.register_at_fork(after_in_child=wake)
