"""Flags from flagd's sync stream, evaluated in this process."""

from __future__ import annotations

import os
import threading
import weakref
from time import monotonic
from typing import Any

import grpc

from openfeature_triton.flagd_config import DocumentReader
from openfeature_triton.flagd_config.give_way import abandoned_when
from openfeature_triton.provider.deliveries import Deliveries
from openfeature_triton.provider.errors import FatalSourceError, FlagSourceError
from openfeature_triton.provider.flag_sources import FlagListener
from openfeature_triton.provider.last_good import LastGood
from openfeature_triton.provider.sync_channel import (
    Received,
    SyncChannel,
    answered,
    cancelled,
    explained,
    gives_up,
)
from openfeature_triton.provider.sync_settings import SyncSettings

TICK_S = 0.1
STALE_AFTER_S = 1.0


class SyncFlags:
    """flagd's sync stream: opened again within a second whenever it breaks, whatever came over it.

    One thread listens to the stream and keeps the newest document; another reads that document
    and watches over the stream: asks every few seconds whether flagd still answers over the same
    connection, and ends a stream that is silently dead (a hung flagd, a half-open connection).

    Args:
        settings: where flagd is; from the environment if not given.
        bucketing: "v2" or "v3", the generation of flagd's hash.
        allow_empty: whether a document without any flag is taken.
        last_good: where to keep the last good document for a start without flagd.
    """

    def __init__(
        self,
        settings: SyncSettings | None = None,
        *,
        bucketing: str = "v3",
        allow_empty: bool = False,
        last_good: LastGood | None = None,
    ) -> None:
        self.settings = settings or SyncSettings()
        self.bucketing = bucketing
        self._allow_empty = allow_empty
        self._last_good = last_good
        self._deliveries: Deliveries | None = None
        self._stream: _Stream | None = None

    def start(self, listener: FlagListener) -> None:
        """Connect, and wait for the first document at most as long as the deadline says."""
        reader = DocumentReader(
            f"flagd {self.settings.target}",
            bucketing=self.bucketing,
            allow_empty=self._allow_empty,
        )
        self._deliveries = Deliveries(reader, listener, self._last_good)
        self._stream = _Stream(self.settings, self._deliveries)
        self._stream.start()
        again = weakref.WeakMethod(self._start_again)
        os.register_at_fork(after_in_child=lambda: _call(again))
        self._stream.first.wait(self.settings.deadline_ms / 1_000 + STALE_AFTER_S)

    def close(self) -> None:
        """End the stream and both threads, within a second."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def age_s(self) -> float | None:
        """Seconds since flagd was last seen to hold what is in force."""
        return self._deliveries.age_s() if self._deliveries else None

    def _start_again(self) -> None:
        """A forked child has the document, but neither thread nor connection: give it its own."""
        if self._stream is None or self._deliveries is None:
            return
        self._inherited = self._stream  # the parent's: gRPC must not clean it up here
        self._stream = _Stream(self.settings, self._deliveries)
        self._stream.start()


class _Stream:
    """The two threads of one started source, and what they share."""

    def __init__(self, settings: SyncSettings, deliveries: Deliveries) -> None:
        self._settings = settings
        self._deliveries = deliveries
        self.first = threading.Event()
        self._closed = threading.Event()
        self._news = threading.Condition()
        self._newest: Received | None = None
        self._channel: SyncChannel | None = None
        self._lost_s: float | None = monotonic()
        self._why: Exception = FlagSourceError(f"flagd at {settings.target} has not answered yet")
        self._gave_up: FatalSourceError | None = None
        self._told = ""
        self._question: Any = None
        self._asked_s = monotonic()
        self._threads = [
            threading.Thread(target=self._listen, name="oft-flag-sync", daemon=True),
            threading.Thread(target=self._tend, name="oft-flag-sync-reader", daemon=True),
        ]
        self._started_s = monotonic()

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both threads."""
        self._closed.set()
        with self._news:
            channel = self._channel
            self._news.notify_all()
        if channel is not None:
            channel.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(0.5)

    # The listening thread

    def _listen(self) -> None:
        attempt = 0
        while not self._closed.is_set():
            try:
                received = self._listen_once()
            except Exception as error:  # noqa: BLE001 - whatever gRPC raises, the source lives on
                received = False
                self._lose(error)
            if self._gave_up is not None:
                return
            attempt = 0 if received else attempt + 1
            self._closed.wait(self._settings.backoff_s(attempt))

    def _listen_once(self) -> bool:
        """Open one stream and take its documents until it breaks; whether any came."""
        channel = self._connect()
        received = False
        try:
            for document in channel.documents():
                received = True
                with self._news:
                    self._newest, self._lost_s = document, None
                    self._news.notify_all()
            self._lose(FlagSourceError("flagd ended the stream"))
        except grpc.RpcError as error:
            self._lose(error)
        finally:
            channel.close()
        return received

    def _connect(self) -> SyncChannel:
        channel = SyncChannel(self._settings)
        with self._news:
            self._channel = channel
            closed = self._closed.is_set()
        if closed:
            channel.close()
        return channel

    def _lose(self, why: Exception) -> None:
        """The stream is broken; that we cancelled it ourselves is not the reason."""
        with self._news:
            if not cancelled(why):
                self._why = why
                self._gave_up = gives_up(why, self._settings)
            self._lost_s = monotonic() if self._lost_s is None else self._lost_s

    # The reading thread

    def _tend(self) -> None:
        with abandoned_when(self._closed):
            self._tend_until_closed()

    def _tend_until_closed(self) -> None:
        while not self._closed.is_set():
            with self._news:
                if self._newest is None:
                    self._news.wait(TICK_S)
                received, self._newest = self._newest, None
            if self._closed.is_set():
                return
            if self._gave_up is not None:
                self._deliveries.error(self._gave_up)
                self.first.set()
                return
            if received is not None:
                self._read(received)
            else:
                self._watch()

    def _read(self, received: Received) -> None:
        if self._told:
            self._told = ""
            self._deliveries.anew()
        self._deliveries.text(received.text, received.context)
        self._asked_s = monotonic()
        self.first.set()

    def _watch(self) -> None:
        """Between documents, see that flagd is still there, and tell of it if it is not."""
        with self._news:
            lost_s, channel = self._lost_s, self._channel
        if lost_s is None:
            self._ask(channel)
        else:
            self._question = None
            self._tell_of_loss(monotonic() - lost_s)

    def _ask(self, channel: SyncChannel | None) -> None:
        """Ask now and then whether flagd answers; if it does not, end its stream."""
        if self._question is None:
            if channel is not None and monotonic() - self._asked_s > self._settings.heartbeat_s:
                self._asked_s = monotonic()
                self._question = channel.ask()
        elif self._question.done():
            question, self._question = self._question, None
            if answered(question.exception()):
                self._deliveries.alive()
            elif channel is not None:
                self._lose(question.exception())
                channel.close()

    def _tell_of_loss(self, for_s: float) -> None:
        if not self._deliveries.any_in_force:
            self._start_without(for_s)
        elif for_s > self._settings.retry_grace_period and self._told != "error":
            self._told = "error"
            self._deliveries.error(explained(self._why, self._settings))
        elif for_s > STALE_AFTER_S and not self._told:
            self._told = "stale"
            self._deliveries.stale(str(explained(self._why, self._settings)))

    def _start_without(self, for_s: float) -> None:
        """No document yet: at the deadline take the last good one, or say that there is none."""
        if self._told or for_s < self._settings.deadline_ms / 1_000:
            return
        self._deliveries.restore()
        self._told = "stale" if self._deliveries.any_in_force else "error"
        if not self._deliveries.any_in_force:
            self._deliveries.error(explained(self._why, self._settings))
        self.first.set()


def _call(method: weakref.WeakMethod[Any]) -> None:
    """Call a method whose object may be gone."""
    alive = method()
    if alive is not None:
        alive()
