"""A server, a provider that follows it, and all that the provider told."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import EventDetails, ProviderEvent

from openfeature_triton.provider import LastGood, SyncFlags, SyncSettings, TritonProvider
from tests.flagd_servers import Flagd, eventually

EMPTY = '{"flags": {}}'
READY = ProviderEvent.PROVIDER_READY
STALE = ProviderEvent.PROVIDER_STALE
ERROR = ProviderEvent.PROVIDER_ERROR
CHANGED = ProviderEvent.PROVIDER_CONFIGURATION_CHANGED


def flags(**values: Any) -> str:
    """A document with one plain flag for each value."""
    return json.dumps(
        {
            "flags": {
                key: {"state": "ENABLED", "variants": {"v": value}, "defaultVariant": "v"}
                for key, value in values.items()
            }
        }
    )


ONE, TWO = flags(word="one"), flags(word="two", other="three")


class World:
    """A server, a provider that follows it, and everything that the provider told."""

    def __init__(self, file: Path, *, real: bool = False, **server: Any) -> None:
        file.write_text(ONE, encoding="utf-8")
        self.flagd = Flagd(file, real=real, **server)
        self.events: list[tuple[ProviderEvent, EventDetails]] = []
        self.provider: TritonProvider | None = None

    def connect(
        self, last_good: LastGood | None = None, domain: str | None = None, **settings: Any
    ) -> OpenFeatureClient:
        """Register a provider and wait for its start; raises what that raises."""
        given = {
            "host": "127.0.0.1",
            "port": self.flagd.port,
            "deadline_ms": 3_000,
            "retry_grace_period": 4.0,
            "heartbeat_s": 0.3,
            "answer_timeout_s": 1.5,
            **settings,
        }
        source = SyncFlags(SyncSettings(**given), last_good=last_good)
        self.provider = TritonProvider(source, {})
        client = api.get_client(domain)
        for event in ProviderEvent:
            client.add_handler(event, self._remember(event))
        api.set_provider_and_wait(self.provider, domain)
        return client

    def _remember(self, event: ProviderEvent) -> Callable[[EventDetails], None]:
        return lambda details: self.events.append((event, details))

    def wait(self, event: ProviderEvent, after: int = 0) -> EventDetails:
        """Wait for an event that was told after the first so many."""
        told: list[EventDetails] = []

        def seen() -> bool:
            told[:] = [details for kind, details in self.events[after:] if kind is event]
            return bool(told)

        eventually(seen)
        return told[0]


def threads() -> list[str]:
    """The names of our own threads."""
    return [each.name for each in threading.enumerate() if each.name.startswith("oft-")]


def word(client: OpenFeatureClient) -> str:
    """The flag that the tests look at."""
    return client.get_string_value("word", "own")


def in_a_child(check: Callable[[], None]) -> int:
    """Run something in a forked process; 0 if it came to its end."""
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not measured
        try:
            check()
            os._exit(0)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
