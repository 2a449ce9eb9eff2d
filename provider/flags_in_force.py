"""The flags in force: what their source tells, what becomes of it, and what everybody hears."""

from __future__ import annotations

import logging

from openfeature.exception import ErrorCode

from openfeature_triton.flagd_config import Document, FlagFileError
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.errors import FatalSourceError, FlagSourceError
from openfeature_triton.provider.evaluator import Evaluator
from openfeature_triton.provider.experiment_log import log_changes
from openfeature_triton.provider.generation import GenerationCheck, GenerationGuard
from openfeature_triton.provider.phases import Phases
from openfeature_triton.provider.provider_events import ProviderEvents

_log = logging.getLogger(__name__)


class FlagsInForce:
    """Listens to a source of documents; each good one gets an evaluator, in one assignment.

    `evaluator` is None before the first document, where a strict guard stopped the flags, and
    where the source gave up for good. `trouble` is what is wrong at present.
    """

    def __init__(self, events: ProviderEvents, phases: Phases, guard: GenerationGuard) -> None:
        self.evaluator: Evaluator | None = None
        self.trouble: Exception | None = None
        self._events = events
        self._phases = phases
        self._guard = guard

    @property
    def document(self) -> Document | None:
        """The document in force."""
        evaluator = self.evaluator
        return evaluator.document if evaluator else None

    def on_document(self, document: Document) -> None:
        """Put a document in force, for its source."""
        self._guard.look(document)
        if self._guard.stops:
            self.evaluator = None
            self._tell_generation()
            return
        evaluator = Evaluator(document, self.evaluator)
        previous, self.evaluator = self.evaluator, evaluator
        self.trouble = None
        self._phases.tell(document)
        log_changes(previous.document if previous else None, document)
        self._tell_refused(document)
        self._events.ready(_changed(previous, evaluator) if previous else None)
        self._tell_generation()
        leftover = _parts(previous)
        del previous
        _let_go(leftover)

    def on_error(self, error: Exception) -> None:
        """Tell what is wrong with the source or its document; what is in force stays."""
        self.trouble = error
        if isinstance(error, FatalSourceError):
            self.evaluator = None
            _log.error("%s", error)
            self._events.error(str(error), ErrorCode.PROVIDER_FATAL)
            return
        _log.warning("%s (%s)", error, self._what_stays())
        code = ErrorCode.PARSE_ERROR if isinstance(error, FlagFileError) else ErrorCode.GENERAL
        self._events.error(str(error), code)

    def on_stale(self, reason: str) -> None:
        """Tell that the source does not answer; what is in force stays."""
        _log.warning("%s (%s)", reason, self._what_stays())
        self._events.stale(reason)

    def on_live(self) -> None:
        """Tell that the source holds what is in force, after trouble with it."""
        self.trouble = None
        _log.info("the flag source answers again, its flags are those in force")
        document = self.document
        if document is not None and self._guard.is_in_doubt:
            self._guard.look(document)
        if not self._guard.stops:
            self._events.ready()
        self._tell_generation()

    def verify_generation(self) -> GenerationCheck:
        """Ask the server whether it splits requests as we do, and tell if it does not."""
        document = self.document
        if document is None:
            return GenerationCheck("unknown", "there are no flags yet")
        check = self._guard.look(document, again=True)
        if self._guard.stops:
            self.evaluator = None
        self._tell_generation()
        return check

    def _tell_generation(self) -> None:
        """Say it if the server is of another generation; it stays an error until it is mended."""
        complaint = self._guard.complaint
        if complaint is not None:
            self.trouble = FlagSourceError(complaint)
            _log.error("%s", complaint)
            self._events.error(complaint)

    def _what_stays(self) -> str:
        return "the last good flags stay in force" if self.evaluator else "there are no flags yet"

    def _tell_refused(self, document: Document) -> None:
        """Name each flag that was left out of a document, in the log and by an event."""
        for error in document.refused:
            _log.warning("%s (this flag is left out, the others are in force)", error)
            keys = [error.flag_key] if error.flag_key is not None else None
            self._events.error(str(error), ErrorCode.PARSE_ERROR, keys)


def _parts(evaluator: Evaluator | None) -> list[object]:
    """All that an evaluator holds."""
    if evaluator is None:
        return []
    give_way, parts = GiveWay(), list[object]()
    document, catalogue = evaluator.document, evaluator.catalogue
    for held in (evaluator.flags, catalogue.candidates, document.flags, document.experiments):
        parts += held.values()
        give_way()
    for offers in catalogue.offers():
        parts += offers.everyone
        give_way()
    return parts


def _let_go(parts: list[object]) -> None:
    """Free what is not used any more, in slices: all at once would keep requests waiting."""
    give_way = GiveWay()
    while parts:
        parts.pop()
        give_way()


def _changed(previous: Evaluator, present: Evaluator) -> list[str]:
    """The keys of the flags that came, went or changed."""
    give_way = GiveWay()
    before, after = previous.document.flags, present.document.flags
    changed = []
    for key, flag in after.items():
        give_way()
        was = before.get(key)
        if was is not flag and was != flag:
            changed.append(key)
    changed += before.keys() - after.keys()
    return sorted(changed)
