"""TritonClients: pooled tritonclient clients that carry their service's credential.

HTTP clients belong to one thread, gRPC clients to all, asynchronous ones to one event loop.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from openfeature_triton.provider.client_modules import import_http
from openfeature_triton.provider.credential_plugin import CredentialPlugin
from openfeature_triton.provider.deadline import Deadline
from openfeature_triton.provider.loop_clients import LoopClients
from openfeature_triton.provider.service import Service, check_service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.task_timers import TaskTimer

if TYPE_CHECKING:
    from openfeature_triton.provider.grpc_clients import GrpcClients
    from openfeature_triton.provider.hub_timers import HubTimer


class TritonClients:
    """One client per service and thread (HTTP), process (gRPC) or event loop (both, asynchronous).

    Made when first asked for, and anew when the service's record has changed and in a forked
    child; those of ended threads and loops are closed.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        import_http()
        self._connect_timeout_s = settings.connect_timeout_s
        self._network_timeout_s = settings.network_timeout_s
        self._of_thread = _OfThread()
        self._all: list[_ThreadsClients] = []
        self._of_parent: list[_ThreadsClients] = []
        self._lock = threading.Lock()
        self._grpc: GrpcClients | None = None
        self._of_loops = LoopClients(settings.network_timeout_s)
        _after_fork(self)

    def http(self, service: Service) -> Any:
        """Give this thread's `tritonclient.http.InferenceServerClient` of a service.

        Raises InvalidServiceError where the record could not work, before anything is sent.
        """
        mine = self._of_thread.clients
        pooled = None if mine is None else mine.pooled.get(service.service_id)
        if pooled is None or pooled.service is not service:
            pooled = self._renew(service, pooled)
        return pooled.client

    def timer(self, deadline: Deadline) -> HubTimer:
        """Cut off what this thread waits for through its HTTP clients, at a deadline."""
        mine = self._of_thread.clients or self._clients_of_this_thread()
        return mine.timers.start(deadline)

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

    def discard(self, service: Service) -> None:
        """Forget this thread's HTTP client of a service: it was left in the middle of an answer."""
        mine = self._of_thread.clients
        pooled = None if mine is None else mine.pooled.pop(service.service_id, None)
        if pooled is not None:
            pooled.abandon()

    def close(self) -> None:
        """Close every client but the asynchronous ones; a later call makes new ones."""
        self._reap()
        if self._grpc is not None:
            self._grpc.close()
        with self._lock:
            living, self._all = self._all, []
            self._of_thread = _OfThread()
        for each in living:
            each.close()

    async def aclose(self) -> None:
        """Close the running loop's clients; a later call makes new ones."""
        await self._of_loops.aclose()

    def _open_grpc(self) -> None:
        from openfeature_triton.provider.grpc_clients import GrpcClients  # noqa: PLC0415 - grpcio

        with self._lock:
            if self._grpc is None:
                self._grpc = GrpcClients()

    def _renew(self, service: Service, stale: _Pooled | None) -> _Pooled:
        if stale is not None and stale.service == service:
            stale.service = service  # the registry was read again, and nothing has changed
            return stale
        check_service(service)
        self._reap()
        mine = self._clients_of_this_thread()
        pooled = mine.pooled[service.service_id] = _Pooled(service, self._connect(service))
        if stale is not None:
            stale.client.close()
        return pooled

    def _clients_of_this_thread(self) -> _ThreadsClients:
        mine = self._of_thread.clients
        if mine is None:
            mine = self._of_thread.clients = _ThreadsClients()
            with self._lock:
                self._all.append(mine)
        return mine

    def _reap(self) -> None:
        """Close what threads that have ended left behind."""
        with self._lock:
            ended = [each for each in self._all if not each.thread.is_alive()]
            self._all = [each for each in self._all if each.thread.is_alive()]
        for each in ended:
            each.close()
            each.destroy_hub()

    def _connect(self, service: Service) -> Any:
        from tritonclient.http import InferenceServerClient  # noqa: PLC0415 - see above

        client = InferenceServerClient(
            service.url,
            connection_timeout=self._connect_timeout_s,
            network_timeout=self._network_timeout_s,
        )
        _send_once(client)
        if service.credential is not None:
            client.register_plugin(CredentialPlugin(service))
        return client

    def _start_anew(self) -> None:
        """In a forked child: leave the parent's connections alone, and make gevent usable.

        Without `reinit`, the loop that the forking thread inherits waits for ever, and so do its
        timeouts. The parent's clients are kept, unused: closing them would reach into its loops.
        """
        self._lock = threading.Lock()
        self._of_parent += self._all
        self._all = []
        self._of_thread = _OfThread()
        self._of_loops.start_anew()
        if self._grpc is not None:
            self._grpc.start_anew()
        if "gevent" in sys.modules:
            sys.modules["gevent"].reinit()


def _send_once(client: Any) -> None:
    """Let a POST go out once: geventhttpclient 2.4, the last for Python 3.10, repeats it.

    It tries again as often as its pool is large and once more, after the server may have done the
    work. A kept connection that the server has closed is noticed before it is used.
    """
    pool = getattr(getattr(client, "_client_stub", None), "_connection_pool", None)
    if pool is not None:
        pool.size = -1


class _Pooled:
    """A client and what it was made for."""

    def __init__(self, service: Service, client: Any) -> None:
        self.service = service
        self.client = client

    def abandon(self) -> None:
        """Close the client, whatever still waits for an answer in it."""
        self.client._pool.kill(block=False)  # closing would wait for them
        self.client.close()


class _ThreadsClients:
    """The clients of one thread, by service id, and the gevent hub that they run on."""

    def __init__(self) -> None:
        from gevent import get_hub  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

        from openfeature_triton.provider.hub_timers import HubTimers  # noqa: PLC0415 - slow

        self.timers = HubTimers()
        self.thread = threading.current_thread()
        self.pooled: dict[str, _Pooled] = {}
        self._hub = get_hub()

    def close(self) -> None:
        """Close the clients; none is left."""
        pooled, self.pooled = self.pooled, {}
        for each in pooled.values():
            each.client.close()

    def destroy_hub(self) -> None:
        """Free the hub of an ended thread: gevent keeps its files and its resolver otherwise."""
        self.timers.close()
        self._hub.destroy(destroy_loop=True)


class _OfThread(threading.local):
    """What is this thread's own."""

    clients: _ThreadsClients | None = None


def _after_fork(clients: TritonClients) -> None:
    """Wake the clients in each forked child, without keeping them alive."""
    reference = weakref.ref(clients)

    def wake() -> None:
        """In a forked child: begin anew, if the clients still live."""
        living = reference()
        if living is not None:
            living._start_anew()

    os.register_at_fork(after_in_child=wake)
