"""Forwarding: a sink that InfluxDB can't block: the outbox takes points, the sender delivers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection

from openfeature_triton.hooks.health import SUFFIX, say_health
from openfeature_triton.hooks.outbox import Outbox
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.sender import Sender
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings
from openfeature_triton.hooks.sink import Delivery, Point
from openfeature_triton.hooks.stats import RecorderStats

_FORK_WAIT_S = 2.0


class ForwardingSink:
    """Spools points, and sends them to InfluxDB by a thread that starts with the first one.

    Args:
        settings: of the spool, and how often is sent.
        influx: where to.
    """

    def __init__(self, settings: RecorderSettings, influx: InfluxSettings) -> None:
        self._settings = settings
        self._influx = influx
        self._held: dict[int, bool] = {}
        self._stats: Callable[[], RecorderStats] | None = None
        self._begin()

    def write(self, points: Collection[Point]) -> None:
        """Keep points until they are delivered; raises nothing of the disk's or the network's."""
        self._outbox.put(points)
        if self._sender.thread is None:
            try:
                self._sender.start()
            except RuntimeError:  # no more threads: the points are spooled, or `ask` sends them
                return

    def newest_dropped_ns(self) -> int:
        """Give the newest time of the windows that were dropped since this was last asked, or 0."""
        return self._outbox.newest_dropped_ns()

    def close(self) -> None:
        """Nothing to do: a last request ends the sender."""

    def ask(self, request: Request) -> None:
        """Deliver all until the request's deadline, and let it know."""
        self._sender.ask(request)

    def delivery(self) -> Delivery:
        """Say what became of the points; what waits is as of the sender's last look."""
        sender, outbox = self._sender, self._outbox
        counts, backlog = Counter(sender.counts), sender.backlog
        return Delivery(
            delivered=counts["delivered"],
            adopted=counts["adopted"],
            spooled=backlog.outcomes,
            spooled_points=backlog.points,
            points_delivered=counts["points_delivered"],
            raw_delivered=counts["raw_delivered"],
            dead_lettered=counts["dead_lettered"],
            dead_letters=counts["dead_letters"],
            oldest_s=backlog.oldest_s,
            in_doubt=backlog.held,
            requests=counts["requests"],
            failed_requests=counts["failed_requests"],
            disk_errors=outbox.disk_errors,
            set_aside=outbox.set_aside,
            is_on_disk=outbox.is_on_disk,
            dropped=dict(Counter(outbox.dropped) + Counter(sender.dropped)),
            state=sender.state,
            last_error=sender.last_error or outbox.last_error,
        )

    def watch(self, stats: Callable[[], RecorderStats]) -> None:
        """Let the health file tell these counts."""
        self._stats = stats

    def before_fork(self) -> None:
        """Wait, within bounds, until the spool is not being used."""
        self._held[threading.get_ident()] = self._outbox.lock.acquire(timeout=_FORK_WAIT_S)

    def after_fork_in_parent(self) -> None:
        """Let the spool be used again."""
        if self._held.pop(threading.get_ident(), False):
            self._outbox.lock.release()

    def after_fork_in_child(self) -> None:
        """Leave the parent's spool and connection to the parent."""
        self._outbox.forget()
        self._held = {}
        self._parents = (self._outbox, self._sender)  # not ours to close
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._outbox = Outbox(settings.spool, settings.spool_max_bytes, self._influx.doubt_s)
        self._sender = Sender(self._outbox, self._settings, self._influx, self._say_health)

    def _say_health(self, ended: bool) -> None:
        """Tell how it goes; a clean end leaves nothing to tell."""
        if self._stats is None or not self._outbox.is_begun:
            return
        path = self._outbox.folder / f"{self._outbox.name}{SUFFIX}"
        say_health(path, self._stats(), ended=ended)  # a disk that fails is told by the outbox
