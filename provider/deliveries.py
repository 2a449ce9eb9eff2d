"""From the text that a source holds to the document in force: the part that all sources share."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from time import monotonic
from types import MappingProxyType
from typing import Any

from openfeature_triton.flagd_config import DocumentReader, FlagFileError
from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.flagd_config.give_way import AbandonedError
from openfeature_triton.provider.collector import collector
from openfeature_triton.provider.experiment_log import log_bucketing
from openfeature_triton.provider.flag_sources import FlagListener
from openfeature_triton.provider.last_good import Kept, LastGood

_LARGE_BYTES = 200_000

_log = logging.getLogger(__name__)


class Deliveries:
    """Reads texts and tells the listener what came of them; whatever the text, never raises.

    Used by one thread at a time. The same text is read once; it comes again after trouble as
    `on_live`. Each text that went into force is kept in `last_good`.
    """

    def __init__(
        self, reader: DocumentReader, listener: FlagListener, last_good: LastGood | None = None
    ) -> None:
        self._reader = reader
        self._listener = listener
        self._last_good = last_good
        self._in_force = b""
        self._refused = b""
        self._troubled = False
        self._kept_any = self._compared = False
        self._confirmed_s: float | None = None

    @property
    def any_in_force(self) -> bool:
        """Whether a document of this source is in force."""
        return bool(self._in_force)

    def age_s(self) -> float | None:
        """Seconds since the source was last seen to hold what is in force."""
        return None if self._confirmed_s is None else monotonic() - self._confirmed_s

    def text(self, text: bytes, context: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Take what the source holds now, and the context that it wants in each evaluation."""
        digest = _digest(text, context)
        if digest == self._in_force:
            self._refused = b""
            self._keep_first(text, context)
            self.alive()
        elif digest != self._refused and self._read(text, context, digest):
            self._confirmed_s = monotonic()
            self._keep(text, context)

    def alive(self) -> None:
        """The source answers, and holds what it gave last."""
        if self._refused or not self._in_force:
            return
        self._confirmed_s = monotonic()
        if self._troubled:
            self._troubled = False
            self._tell(self._listener.on_live)

    def error(self, error: Exception) -> None:
        """The source can't give a document."""
        self._troubled = True
        self._tell(self._listener.on_error, error)

    def stale(self, reason: str) -> None:
        """The source does not answer."""
        self._troubled = True
        self._tell(self._listener.on_stale, reason)

    def anew(self) -> None:
        """The source was away: tell of a bad text even if it is the one that was told of."""
        self._refused = b""

    def restore(self) -> None:
        """Put the last good document in force if the source has given none so far."""
        kept = self._last_good.load() if self._last_good and not self._in_force else None
        if kept is None:
            return
        if self._read(kept.text, kept.context, _digest(kept.text, kept.context)):
            self._confirmed_s = monotonic() - kept.age_s
            self._compare(kept)
            self.stale(f"the last good flags are in force, {_age(kept.age_s)} old")

    def _keep(self, text: bytes, context: Mapping[str, Any]) -> None:
        """Keep a text that went into force."""
        if self._last_good is not None:
            self._compare(None if self._kept_any else self._last_good.load())
            self._last_good.save(text, context, self._reader.bucketing)
            self._kept_any = True

    def _keep_first(self, text: bytes, context: Mapping[str, Any]) -> None:
        """Keep what was restored, and is now seen to be what the source holds."""
        if not self._kept_any:
            self._keep(text, context)

    def _compare(self, kept: Kept | None) -> None:
        """Say if what was kept was split by another generation."""
        if kept is not None and kept.bucketing and not self._compared:
            self._compared = True
            log_bucketing(kept.bucketing, self._reader.bucketing)

    def _read(self, text: bytes, context: Mapping[str, Any], digest: bytes) -> bool:
        """Put a text in force, or tell why not."""
        with collector.still() if len(text) > _LARGE_BYTES else nullcontext():
            return self._put_in_force(text, context, digest)

    def _put_in_force(self, text: bytes, context: Mapping[str, Any], digest: bytes) -> bool:
        try:
            document = self._reader.read(text)
            if context:
                document = replace(document, context=FrozenDict(context))
            self._listener.on_document(document)
        except AbandonedError:
            return False
        except FlagFileError as error:
            self._refused = digest
            self.error(error)
            return False
        except Exception as error:  # noqa: BLE001 - a source outlives whatever a document provokes
            _log.warning("%s: the document can't be used", self._reader.source, exc_info=True)
            self._refused = digest
            self.error(error)
            return False
        self._in_force, self._refused, self._troubled = digest, b"", False
        return True

    def _tell(self, what: object, *said: object) -> None:
        try:
            what(*said)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - somebody's event handler must not end the source
            _log.warning("%s: an event was not taken", self._reader.source, exc_info=True)


def _digest(text: bytes, context: Mapping[str, Any]) -> bytes:
    digest = hashlib.sha256(text)
    digest.update(json.dumps(dict(context), sort_keys=True, default=repr).encode())
    return digest.digest()


def _age(age_s: float) -> str:
    for unit, size in (("days", 172_800), ("h", 7_200), ("min", 120)):
        if age_s >= size:
            return f"{age_s / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{age_s:.0f} s"
