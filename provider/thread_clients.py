"""ThreadClients: HTTP clients of Triton, lent to one call at a time, in the thread that made them.

tritonclient's HTTP client belongs to one thread, as it runs in that thread's gevent hub. Where a
thread has one call at a time, that is one client per service; calls within calls, and the many
greenlets of a service that gevent serves, get one each.
"""

from __future__ import annotations

import threading
import weakref
from types import NoneType
from typing import Any

from openfeature_triton.provider.credential_plugin import CredentialPlugin
from openfeature_triton.provider.service import Service, check_service
from openfeature_triton.provider.settings import ProviderSettings

_MOST_IDLE = 128
"""How many clients of a service a thread keeps that no call uses."""


class ThreadClients:
    """The clients of all threads; those of ended threads are closed."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._connect_timeout_s = settings.connect_timeout_s
        self._network_timeout_s = settings.network_timeout_s
        self._lock = threading.Lock()
        self._all: list[_OneThread] = []
        self._of_parent: list[_OneThread] = []
        self._local = _real_thread_local()

    def lend(self, service: Service) -> Lent:
        """Give a client of a service for one call. Raises InvalidServiceError."""
        mine = self._mine()
        idle = mine.idle.get(service.service_id)
        lent = idle.pop() if idle else None
        if lent is None or lent.service is not service:
            lent = self._renew(mine, service, lent)
        return lent

    def is_here(self, lent: Lent) -> bool:
        """Whether a client is this thread's and this process's: a call may go on elsewhere."""
        return lent.home is self._mine()

    def close(self) -> None:
        """Close every client that no call uses; a later call makes new ones."""
        self._reap()
        with self._lock:
            living, self._all = self._all, []
            self._local = _real_thread_local()
        for each in living:
            each.close()

    def start_anew(self) -> None:
        """In a forked child: leave the parent's connections alone, unused and not closed.

        Closing them would reach into the parent's gevent loops.
        """
        self._lock = threading.Lock()
        self._of_parent += self._all
        self._all = []
        self._local = _real_thread_local()

    def _mine(self) -> _OneThread:
        try:
            return self._local.clients  # type: ignore[no-any-return]
        except AttributeError:
            return self._open()

    def _open(self) -> _OneThread:
        sign = self._local.sign_of_life = _SignOfLife()
        mine = self._local.clients = _OneThread(weakref.ref(sign))
        with self._lock:
            self._all.append(mine)
        return mine

    def _renew(self, mine: _OneThread, service: Service, stale: Lent | None) -> Lent:
        if stale is not None and stale.service == service:
            stale.service = service  # the registry was read again, and nothing has changed
            return stale
        if stale is not None:
            stale.client.close()
        check_service(service)
        self._reap()
        return Lent(service, self._connect(service), mine)

    def _connect(self, service: Service) -> Any:
        from tritonclient.http import InferenceServerClient  # noqa: PLC0415 - slow

        client = InferenceServerClient(
            service.url,
            connection_timeout=self._connect_timeout_s,
            network_timeout=self._network_timeout_s,
        )
        _send_once(client)
        if service.credential is not None:
            client.register_plugin(CredentialPlugin(service))
        return client

    def _reap(self) -> None:
        """Close what threads that have ended left behind."""
        with self._lock:
            ended = [each for each in self._all if each.has_ended]
            self._all = [each for each in self._all if not each.has_ended]
        for each in ended:
            each.close()
            each.destroy_hub()


def _send_once(client: Any) -> None:
    """Let a POST go out once: geventhttpclient 2.4, the last for Python 3.10, repeats it.

    It tries again as often as its pool is large and once more, after the server may have done the
    work. A kept connection that the server has closed is noticed before it is used.
    """
    pool = getattr(getattr(client, "_client_stub", None), "_connection_pool", None)
    if pool is not None:
        pool.size = -1


class Lent:
    """A client on its way through one call, and the timers of its thread."""

    __slots__ = ("_idle", "client", "home", "service", "timers")

    def __init__(self, service: Service, client: Any, home: _OneThread) -> None:
        self.service = service
        self.client = client
        self.home = home
        self.timers = home.timers
        self._idle = home.idle.setdefault(service.service_id, [])

    def let_go(self, error: BaseException | None) -> None:
        """Let another call of the thread have the client; close it if none will, or many wait.

        And after an end that came from outside, as it may still be in the middle of an answer.
        """
        if isinstance(error, (Exception, GeneratorExit, NoneType)):
            if self.home.is_open and len(self._idle) < _MOST_IDLE:
                self._idle.append(self)
                return
        else:
            self.client._pool.kill(block=False)  # closing would wait for what it does
        self.client.close()


class _OneThread:
    """The idle clients of one thread, by service id, and the gevent hub that they run on."""

    def __init__(self, sign_of_life: weakref.ref[_SignOfLife]) -> None:
        from gevent import get_hub  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

        from openfeature_triton.provider.hub_timers import HubTimers  # noqa: PLC0415 - slow

        self.timers = HubTimers()
        self.idle: dict[str, list[Lent]] = {}
        self.is_open = True
        self._sign_of_life = sign_of_life
        self._hub = get_hub()

    @property
    def has_ended(self) -> bool:
        """Whether the thread is no more."""
        return self._sign_of_life() is None

    def close(self) -> None:
        """Close the clients; none is left."""
        self.is_open = False
        idle, self.idle = self.idle, {}
        for each in idle.values():
            for lent in each:
                lent.client.close()

    def destroy_hub(self) -> None:
        """Free the hub of an ended thread: gevent keeps its files and its resolver otherwise."""
        self.timers.close()
        self._hub.destroy(destroy_loop=True)


class _SignOfLife:
    """What only a thread's own storage holds, and so ends with the thread."""


def _real_thread_local() -> Any:
    """Storage of each thread; also where gevent's monkey-patching makes it that of greenlets."""
    from gevent.monkey import get_original  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

    return get_original("threading", "local")()
