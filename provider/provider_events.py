"""What the provider tells the OpenFeature SDK about its flags: each change of state, once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.provider import AbstractProvider, ProviderStatus

CATCH_UP_S = 0.05


class ProviderEvents:
    """Emits a provider's events, so that its status with the SDK is what is true.

    The SDK declares READY by itself after `initialize` has returned, whatever was emitted before;
    so the state in which the provider came out of it is told again a moment later.
    """

    def __init__(self, provider: AbstractProvider) -> None:
        self._provider = provider
        self._status = ProviderStatus.NOT_READY
        self._again: Callable[[], None] | None = None
        self._starting = False
        self._timer: threading.Timer | None = None

    @property
    def status(self) -> ProviderStatus:
        """The state that was told last."""
        return self._status

    def starting(self) -> None:
        """`initialize` begins: READY is the SDK's to say."""
        self._starting = True
        self._status = ProviderStatus.NOT_READY

    def started(self) -> None:
        """`initialize` is about to return."""
        self._starting = False
        if self._again is not None and self._status is not ProviderStatus.READY:
            self._timer = threading.Timer(CATCH_UP_S, self._catch_up)
            self._timer.name = "oft-provider-events"
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Tell nothing more by itself."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join(1.0)

    def ready(self, changed: list[str] | None = None) -> None:
        """The flags in force are what the source holds; `changed` are the keys that changed."""
        before, self._status = self._status, ProviderStatus.READY
        details = ProviderEventDetails(flags_changed=changed)
        if before is not ProviderStatus.READY and not self._starting:
            self._provider.emit_provider_ready(details)
        if changed:
            self._provider.emit_provider_configuration_changed(details)

    def stale(self, reason: str) -> None:
        """The flags in force may be old."""
        self._status = ProviderStatus.STALE
        details = ProviderEventDetails(message=reason)
        self._again = lambda: self._provider.emit_provider_stale(details)
        self._again()

    def error(
        self, message: str, code: ErrorCode = ErrorCode.GENERAL, changed: list[str] | None = None
    ) -> None:
        """Something an operator has to mend, named in the message."""
        self._status = ProviderStatus.ERROR
        details = ProviderEventDetails(message=message, error_code=code, flags_changed=changed)
        self._again = lambda: self._provider.emit_provider_error(details)
        self._again()

    def _catch_up(self) -> None:
        if self._again is not None and self._status is not ProviderStatus.READY:
            self._again()
