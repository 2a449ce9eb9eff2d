"""What `doctor` asks of this folder: flag source, bucketing, registry, keys, each Triton.

Each check gives lines (state, text, advice), as `flagd_config.doctor` wants them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from typing import TypeGuard

from openfeature.contrib.provider.flagd.config import Config, ResolverType
from pydantic import SecretStr

from openfeature_triton.flagd_config import Document
from openfeature_triton.flagd_config.counted import counted
from openfeature_triton.provider.errors import KeyringError, ProviderError
from openfeature_triton.provider.flag_sources import FlagSource
from openfeature_triton.provider.generation import check_generation
from openfeature_triton.provider.keyring import Keyring
from openfeature_triton.provider.open_source import evaluation_server, open_source
from openfeature_triton.provider.readiness import ADVICE, NO_KEY, READY, Readiness, ask_all
from openfeature_triton.provider.registry import Registry
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.sync_settings import SyncSettings

Lines = list[tuple[str, str, str]]
FINE, WARNING, BROKEN = "fine", "warning", "broken"

_SOURCE_S = 5.0
_TRITON_S = 5.0
_GENERATION_ADVICE = {"same": "", "other": "set OFT_BUCKETING as the server's"}


def _plainly(check: Callable[[], Lines]) -> Callable[[], Lines]:
    """Let a check say what goes wrong with the registry, whatever it was about."""

    @wraps(check)
    def checked() -> Lines:
        """Check, and give as lines what goes wrong."""
        try:
            return check()
        except ProviderError as error:
            return [(BROKEN, *_parted(str(error)))]

    return checked


def flags() -> Lines:
    """Whether the source of flags gives a document, and what is wrong with it."""
    settings = ProviderSettings()
    if settings.source == "rpc":
        return _flagd_rpc()
    heard = _heard(settings)
    if heard.document is None:
        problem, advice = _parted(heard.problem)
        if settings.source == "sync":
            return [(BROKEN, f"{_named(settings)}: {problem}", "start flagd, check FLAGD_HOST")]
        return [(BROKEN, problem, f"{advice}; OFT_FLAGS names it")]
    document = heard.document
    running = sum(each.enabled for each in document.experiments.values())
    held = counted(len(document.flags), "flag"), counted(running, "running experiment")
    text = f"{_named(settings)}: {', '.join(held)}"
    lines = [(FINE, text, "")]
    if heard.problem and not document.refused:
        lines = [(WARNING, f"{text}; {heard.problem}", "the last good flags are in force")]
    for each in document.refused:
        lines.append((WARNING, f"left out: {each}", "openfeature-triton lint says more"))
    return lines


def _flagd_rpc() -> Lines:
    """Whether somebody listens where flagd evaluates; its document is not seen from here."""
    flagd = Config(resolver=ResolverType.RPC)
    try:
        socket.create_connection((flagd.host, flagd.port), _SOURCE_S).close()
    except OSError as error:
        text = f"flagd at {flagd.host}:{flagd.port}: {error.strerror or error}"
        return [(BROKEN, text, "start flagd, check FLAGD_HOST and FLAGD_PORT")]
    return [(FINE, f"flagd at {flagd.host}:{flagd.port} listens, and evaluates", "")]


def bucketing() -> Lines:
    """Whether the server splits requests as we do."""
    settings = ProviderSettings()
    server = evaluation_server(settings)
    if server is None:
        text = f"{settings.bucketing}, with no server to hold it against"
        return [(FINE, text, "")]
    document = _heard(settings).document
    if document is None:
        return [(WARNING, f"{settings.bucketing}, not verified: there are no flags", "see flags")]
    found = check_generation(document, server)
    if found.found == "unknown":
        text = f"{settings.bucketing}, not verified: {found.message}"
        return [(WARNING, text, "check OFT_OFREP_URL; it needs a running experiment to ask for")]
    state = FINE if found.found == "same" else BROKEN
    return [(state, found.message, _GENERATION_ADVICE[found.found])]


@_plainly
def registry() -> Lines:
    """Whether the registry can be read, and its tables are those that are known here."""
    with _opened(Keyring()) as found:
        if isinstance(found, str):
            return [(BROKEN, *_parted(found))]
        records = found.records()
        published = sum(each.service.published for each in records)
        text = f"{found.name}: {counted(len(records), 'service')}, {published} of them published"
        if not found.is_current():
            advice = "any command does it: openfeature-triton service list"
            return [(WARNING, f"{text}; its table is of an earlier version", advice)]
        return [(FINE, text, "")]


@_plainly
def keys() -> Lines:
    """Whether each credential opens, and with the first key."""
    settings = ProviderSettings()
    with _opened(Keyring.from_text(settings.keys)) as found:
        if isinstance(found, str):
            return [(WARNING, "not looked at: there is no registry", "see registry")]
        locked = [each.service.service_id for each in found.records() if each.has_credential]
        lines: Lines = [(BROKEN, *_parted(str(error))) for error in _unopened(found, locked)]
    if lines or not locked:
        return lines or [(FINE, "no service has a credential", "")]
    with closing(Registry(settings.registry, _first_of(settings.keys))) as one:
        older = len(_unopened(one, locked))
    if older:
        text = f"{len(locked)} credentials open, {older} of them with an older key only"
        return [(WARNING, text, "openfeature-triton service rotate-keys")]
    return [(FINE, f"{len(locked)} credentials open with the first key", "")]


@_plainly
def tritons() -> Lines:
    """Whether each published service's Triton is ready for our credential."""
    try:
        keyring = Keyring.from_text(ProviderSettings().keys)
    except KeyringError:
        return [(WARNING, "not asked: there are no good keys", "see keys")]
    with _opened(keyring) as found:
        if isinstance(found, str):
            return [(WARNING, "not asked: there is no registry", "see registry")]
        services, answers = _asked(found)
        if not services:
            return [(WARNING, "no service is published", "openfeature-triton service add")]
        lines = []
        for each in services:
            state = answers[each.service_id].state
            text = f"{each.service_id}: {each.model_name} at {each.protocol} {each.url}: {state}"
            lines.append((FINE if state == READY else BROKEN, text, ADVICE[state]))
        return lines


class _Heard:
    """Listens to a source until it has said something."""

    def __init__(self) -> None:
        self.document: Document | None = None
        self.problem = "it says nothing"
        self.said = threading.Event()

    def on_document(self, document: Document) -> None:
        """Keep the document."""
        self.document, self.problem = document, ""
        self.said.set()

    def on_error(self, error: Exception) -> None:
        """Keep what is wrong; a document may come yet."""
        self.problem = str(error)

    def on_stale(self, reason: str) -> None:
        """Keep why it does not answer."""
        self.problem = reason

    def on_live(self) -> None:
        """All is well."""


def _heard(settings: ProviderSettings) -> _Heard:
    """Listen to the source of the settings for a while."""
    heard, source = _Heard(), open_source(settings.model_copy(update={"last_good": ""}))
    if not _is_source(source):
        return heard
    try:
        source.start(heard)
        if settings.source != "file":
            heard.said.wait(_SOURCE_S)
    finally:
        source.close()
    return heard


def _is_source(source: object) -> TypeGuard[FlagSource]:
    return hasattr(source, "start")


def _named(settings: ProviderSettings) -> str:
    if settings.source == "file":
        return settings.flags
    return f"flagd at {SyncSettings().target}"


def _parted(message: str) -> tuple[str, str]:
    """Part an error's message into what is wrong and what to do."""
    text, _, advice = message.partition(" — ")
    return text, advice


@contextmanager
def _opened(keyring: Keyring) -> Iterator[Registry | str]:
    """Open the registry, or say why it can't be read."""
    try:
        opened = Registry(ProviderSettings().registry, keyring)
    except ProviderError as error:
        yield str(error)
        return
    with closing(opened):
        try:
            opened.require()
            opened.is_current()
        except ProviderError as error:
            problem = str(error)
        else:
            problem = ""
        yield problem or opened


def _first_of(keys: SecretStr) -> Keyring:
    """Give a keyring of the key that encrypts."""
    parts = (part.strip() for part in keys.get_secret_value().split(","))
    return Keyring(tuple(SecretStr(part) for part in parts if part)[:1])


def _unopened(registry: Registry, locked: list[str]) -> list[KeyringError]:
    """Give what is wrong with each credential that does not open."""
    errors = []
    for service_id in locked:
        try:
            registry.get(service_id)
        except KeyringError as error:
            errors.append(error)
    return errors


def _asked(registry: Registry) -> tuple[list[Service], dict[str, Readiness]]:
    """Ask for each published service; gives their answers by service id."""
    published = [each.service for each in registry.records() if each.service.published]
    answers, asked = {}, []
    for each in published:
        try:
            asked.append(registry.get(each.service_id))
        except KeyringError:
            answers[each.service_id] = Readiness(each.service_id, NO_KEY)
    for answer in ask_all(asked, ProviderSettings(), _TRITON_S):
        answers[answer.service_id] = answer
    return published, answers
