"""What a source of flags is, and what it tells whom."""

from __future__ import annotations

from typing import Protocol

from openfeature_triton.flagd_config import Document


class FlagListener(Protocol):
    """Hears from one source, from one thread at a time."""

    def on_document(self, document: Document, /) -> None:
        """Put a document in force; raises if it can't be, which the source then tells as error."""

    def on_error(self, error: Exception, /) -> None:
        """What the source holds is no good, or it has been out of reach for too long."""

    def on_stale(self, reason: str, /) -> None:
        """What is in force may be old: the source does not answer."""

    def on_live(self) -> None:
        """All is well again: what is in force is what the source holds."""


class FlagSource(Protocol):
    """Where flag documents come from."""

    def start(self, listener: FlagListener, /) -> None:
        """Deliver the present document before returning if there is one, later ones from a thread.

        Never raises for what the source holds or for one that is out of reach: it goes on looking.
        """

    def close(self) -> None:
        """Deliver nothing more; returns within a second, and leaves no thread."""

    def age_s(self) -> float | None:
        """Seconds since the source was last seen to hold what is in force; None before that."""
