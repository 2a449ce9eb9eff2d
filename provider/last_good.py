"""The last good document on disk: what a service starts with while its source is away."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it was kept, and when (seconds since the epoch)."""

    text: bytes
    saved_s: float
    context: Mapping[str, Any]
    bucketing: str

    @property
    def age_s(self) -> float:
        """Seconds since it was kept; 0 if the clock was set back."""
        return max(0.0, time.time() - self.saved_s)


class LastGood:
    """A file with one document under a line of JSON that holds its time and checksum.

    Written beside itself and renamed, so a reader sees the old or the new one. Neither saving nor
    loading ever raises: what goes wrong is logged, and a damaged file counts as none.

    Args:
        path: the file; its folder is made if it is missing.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._failed = False

    def save(
        self, text: bytes, context: Mapping[str, Any] = MappingProxyType({}), bucketing: str = ""
    ) -> None:
        """Keep a document, the context that came with it, and the generation that splits."""
        head = {
            "saved_s": time.time(),
            "sha256": hashlib.sha256(text).hexdigest(),
            "context": dict(context),
            "bucketing": bucketing,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._replace(json.dumps(head).encode() + b"\n" + text)
            self._failed = False
        except OSError as error:
            if not self._failed:  # each change would say the same again
                _log.warning("%s: the last good flags can't be kept: %s", self.path, error)
            self._failed = True

    def load(self) -> Kept | None:
        """Give what was kept, None if there is nothing or it is damaged."""
        try:
            line, _, text = self.path.read_bytes().partition(b"\n")
            head = json.loads(line)
            saved_s, checksum = float(head["saved_s"]), head["sha256"]
            context, bucketing = dict(head["context"]), str(head.get("bucketing", ""))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s holds no last good flags: %s", self.path, error)
            return None
        if hashlib.sha256(text).hexdigest() != checksum:
            _log.warning("%s: the checksum is wrong, the last good flags are lost", self.path)
            return None
        return Kept(text, saved_s, context, bucketing)

    def _replace(self, content: bytes) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
