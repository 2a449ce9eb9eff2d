"""TritonProvider: the OpenFeature provider that resolves a flag to a service on Triton."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, FeatureProvider, Metadata
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import Document, Experiment, FlagFileError
from openfeature_triton.flagd_config.frozen_dict import FrozenDict
from openfeature_triton.flagd_config.give_way import GiveWay
from openfeature_triton.provider.catalogue import Assignment
from openfeature_triton.provider.compiled_flag import named_service
from openfeature_triton.provider.errors import FlagSourceError
from openfeature_triton.provider.evaluator import Evaluator, details, failed, not_found
from openfeature_triton.provider.experiment_log import log_changes
from openfeature_triton.provider.file_flags import FileFlags
from openfeature_triton.provider.flag_sources import FlagSource
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.generation import (
    EvaluationServer,
    GenerationCheck,
    check_generation,
)
from openfeature_triton.provider.keyring import Keyring
from openfeature_triton.provider.open_source import evaluation_server, open_source
from openfeature_triton.provider.provider_events import ProviderEvents
from openfeature_triton.provider.provider_flags import ProviderFlags
from openfeature_triton.provider.registry import Registry
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.service_cache import ServiceCache
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.telemetry import telemetry_hooks

_log = logging.getLogger(__name__)


class Services(Protocol):
    """What a provider asks for a service; a `dict` will do."""

    def get(self, service_id: str, /) -> Service | None:
        """The service, or None if there is none of that id; never blocks for long or raises."""


class Track(Protocol):
    """Takes tracking events: `Recorder.track`, for one."""

    def __call__(
        self, name: str, context: EvaluationContext, details: TrackingEventDetails, /
    ) -> None:
        """Take one event."""


class TritonProvider(AbstractProvider):
    """Resolves experiments to Triton services; other flags pass through with flagd's semantics.

    Args:
        flags: a flag file's path, any `FlagSource`, or any OpenFeature provider (for evaluation
            by flag key alone).
        services: the registry's cache, or a plain mapping of service id to `Service`.
        on_track: gets every tracking event, e.g. `Recorder.track`.
        server: a server that evaluates, to verify the bucketing against at start.
        strict: whether a server of another bucketing stops all experiments here.

    Errors never leave it as exceptions: details carry OpenFeature's code and the caller's default.
    """

    def __init__(
        self,
        flags: FlagSource | FeatureProvider | str | Path,
        services: Services,
        on_track: Track | None = None,
        *,
        server: EvaluationServer | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__()
        self.services = services
        self._source, self._other = _source_of(flags)
        self._on_track = on_track
        self._evaluator: Evaluator | None = None
        self._trouble: Exception | None = None
        self._server = server
        self._strict = strict
        self._generation: GenerationCheck | None = None
        self._events = ProviderEvents(self)
        self._metadata = Metadata("openfeature-triton")
        self._tally = Tally(_log)
        self._hooks = telemetry_hooks(self._metadata, self._tally)
        self._described: dict[str, tuple[Service | None, FrozenDict[str, str]]] = {}
        self._announced: set[tuple[str, str]] = set()

    @classmethod
    def open(
        cls, settings: ProviderSettings | None = None, on_track: Track | None = None
    ) -> TritonProvider:
        """Connect flag source and registry as the settings (the environment, if not given) say.

        Raises RegistryError or KeyringError where the registry can't be opened. `shutdown` closes
        both.
        """
        settings = settings or ProviderSettings()
        registry = Registry(settings.registry, Keyring.from_text(settings.keys))
        cache = ServiceCache(registry, settings.registry_ttl_s)
        return cls(
            open_source(settings),
            cache,
            on_track,
            server=evaluation_server(settings),
            strict=settings.strict,
        )

    def get_metadata(self) -> Metadata:
        """The provider's name, for hooks and telemetry."""
        return self._metadata

    def counts(self) -> Mapping[str, int]:
        """How often what failed: tracking, tracing."""
        return self._tally.counts()

    # From the flag source to the evaluator

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Start the flag source; raises ProviderNotReadyError if it has no good document yet.

        The source goes on looking, so that a file which is mended later makes the provider ready.
        So does the cache: a registry that can't be read raises RegistryError or KeyringError, and
        READY follows when it can.
        """
        with ExitStack() as stack:
            stack.callback(self._start_flags, evaluation_context)
            if isinstance(self.services, ServiceCache):
                self.services.start(self._tell_recovery)

    def _tell_recovery(self) -> None:
        """The registry can be read at last; with flags, the provider is ready."""
        if self._evaluator is not None or self._other is not None:
            self.emit_provider_ready(ProviderEventDetails(message="the registry can be read now"))

    def _start_flags(self, evaluation_context: EvaluationContext) -> None:
        if self._other is not None:
            self._other.start(evaluation_context, self.emit)
        if self._source is None:
            return
        self._events.starting()
        self._source.start(self)
        self._events.started()
        if self._evaluator is None:
            raise ProviderNotReadyError(str(self._trouble or "no flag document has arrived yet"))

    def shutdown(self) -> None:
        """Stop the flag source and the registry's cache; what they last held goes on answering."""
        if self._other is not None:
            self._other.close()
        if self._source is not None:
            self._source.close()
        self._events.close()
        if isinstance(self.services, ServiceCache):
            self.services.close()

    @property
    def flags_age_s(self) -> float | None:
        """Seconds since the source was seen to hold the flags in force; None before the first."""
        return self._source.age_s() if self._source is not None else None

    def get_provider_hooks(self) -> list[Hook]:
        """The hooks of the provider that evaluates, if it is another one, and telemetry's."""
        return self._hooks if self._other is None else [*self._other.hooks(), *self._hooks]

    @property
    def document(self) -> Document | None:
        """The flag document in force, or None before the first good one."""
        evaluator = self._evaluator
        return evaluator.document if evaluator else None

    def on_document(self, document: Document) -> None:
        """Put a document in force, for its source."""
        if self._generation is None or self._generation.found != "same":
            self._verify(document)
        if self._is_stopped():
            self._evaluator = None
            self._tell_generation()
            return
        evaluator = Evaluator(document, self._evaluator)
        previous, self._evaluator = self._evaluator, evaluator
        self._trouble = None
        self._announce_phases(document)
        log_changes(previous.document if previous else None, document)
        self._tell_refused(document)
        self._events.ready(_changed(previous, evaluator) if previous else None)
        self._tell_generation()

    def on_error(self, error: Exception) -> None:
        """Tell what is wrong with the source or its document; what is in force stays."""
        self._trouble = error
        _log.warning("%s (%s)", error, self._what_stays())
        code = ErrorCode.PARSE_ERROR if isinstance(error, FlagFileError) else ErrorCode.GENERAL
        self._events.error(str(error), code)

    def on_stale(self, reason: str) -> None:
        """Tell that the source does not answer; what is in force stays."""
        _log.warning("%s (%s)", reason, self._what_stays())
        self._events.stale(reason)

    def on_live(self) -> None:
        """Tell that the source holds what is in force, after trouble with it."""
        self._trouble = None
        _log.info("the flag source answers again, its flags are those in force")
        document = self.document
        if document is not None and self._generation and self._generation.found == "unknown":
            self._verify(document)
        if not self._is_stopped():
            self._events.ready()
        self._tell_generation()

    def verify_generation(self) -> GenerationCheck:
        """Ask the server whether it splits requests as we do, and tell if it does not.

        Strict, flags that were stopped for it come back with the next document.
        """
        document = self.document
        if document is None or self._server is None:
            nothing = "there are no flags yet" if document is None else "there is no server to ask"
            return GenerationCheck("unknown", nothing)
        check = self._verify(document)
        if self._is_stopped():
            self._evaluator = None
        self._tell_generation()
        return check

    def _verify(self, document: Document) -> GenerationCheck:
        if self._server is None:
            return GenerationCheck("unknown", "there is no server to ask")
        self._generation = check_generation(document, self._server)
        _log.info("bucketing: %s", self._generation.message)
        return self._generation

    def _is_stopped(self) -> bool:
        return self._strict and self._generation is not None and self._generation.found == "other"

    def _tell_generation(self) -> None:
        """Say it if the server is of another generation; it stays an error until it is mended."""
        if self._generation is None or self._generation.found != "other":
            return
        stopped = "; strict: every request goes to its caller's own service"
        message = self._generation.message + (stopped if self._strict else "")
        self._trouble = FlagSourceError(message)
        _log.error("%s", message)
        self._events.error(message)

    def _what_stays(self) -> str:
        return "the last good flags stay in force" if self._evaluator else "there are no flags yet"

    def _tell_refused(self, document: Document) -> None:
        """Name each flag that was left out of a document, in the log and by an event."""
        for error in document.refused:
            _log.warning("%s (this flag is left out, the others are in force)", error)
            keys = [error.flag_key] if error.flag_key is not None else None
            self._events.error(str(error), ErrorCode.PARSE_ERROR, keys)

    def _announce_phases(self, document: Document) -> None:
        """Tell each phase once, with its definition, when it first goes live."""
        give_way = GiveWay()
        for experiment in document.experiments.values():
            give_way()
            if (experiment.key, experiment.phase) not in self._announced:
                self._announced.add((experiment.key, experiment.phase))
                self.track("experiment_phase", EvaluationContext(), _phase_details(experiment))

    # OpenFeature's surface

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """A boolean flag, with flagd's semantics."""
        return self._resolve(FlagType.BOOLEAN, flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """An integer flag, with flagd's semantics."""
        return self._resolve(FlagType.INTEGER, flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """A float flag, with flagd's semantics."""
        return self._resolve(FlagType.FLOAT, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """The `service_id` of an experiment's variant; any other string flag as it is."""
        evaluator = self._evaluator
        if evaluator is None or flag_key not in evaluator.document.experiments:
            return self._resolve(FlagType.STRING, flag_key, default_value, evaluation_context)
        details = self._resolve(FlagType.OBJECT, flag_key, default_value, evaluation_context)
        if details.variant is not None and isinstance(details.value, Mapping):
            details.value = details.value["service_id"]
        return details

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """The service of a variant (never its credential); any other object flag as it is."""
        return self._resolve(FlagType.OBJECT, flag_key, default_value, evaluation_context)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Hand a tracking event to `on_track`; never raises, failures are counted."""
        if self._on_track is None:
            return
        try:
            self._on_track(
                tracking_event_name,
                evaluation_context or EvaluationContext(),
                tracking_event_details or TrackingEventDetails(),
            )
        except Exception:  # noqa: BLE001 - the edge that must never fail a request
            self._tally.trouble("a tracking event was not taken; the request goes on")

    def assign(
        self,
        task_type: str,
        language: str,
        targeting_key: str | None,
        attributes: Mapping[str, Any] = MappingProxyType({}),
    ) -> Assignment | RouteReason:
        """The assignment of a request without the SDK: no hook runs, no exposure is counted.

        Gives the reason if no experiment takes the request. Whether the service can be used is
        told by `resolution`. Never raises.
        """
        evaluator = self._evaluator
        if evaluator is None:
            return self._not_ready()
        if evaluator.context:
            attributes = {**evaluator.context, **attributes}
        ways = evaluator.catalogue.ways
        way = ways.get((task_type, language)) or evaluator.catalogue.way(task_type, language)
        try:
            found = way(attributes, targeting_key)
        except Exception:  # noqa: BLE001 - a targeting key that is no Unicode
            return RouteReason.FLAG_ERROR
        return found or RouteReason.NO_MATCH

    def resolution(
        self, assignment: Assignment, service: Service | None, default: Any
    ) -> FlagResolutionDetails[Any]:
        """What the SDK is told of an assignment, `service` being what its id stands for."""
        metadata = assignment.metadata
        if assignment.forced:
            metadata = {**metadata, FORCED: True}
        found: FlagResolutionDetails[Any] = FlagResolutionDetails(
            None, None, None, Reason.TARGETING_MATCH, assignment.variant, metadata
        )
        return self._with_service(
            assignment.service_id, service, assignment.experiment, default, found
        )

    def _not_ready(self) -> RouteReason:
        """Why there is no catalogue; another provider's flags make none."""
        return RouteReason.NOT_READY if self._other is None else RouteReason.NO_EXPERIMENT

    # From a variant to its service

    def _resolve(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        evaluator = self._evaluator
        if evaluator is None:
            if self._other is not None:
                return self._resolve_by(self._other, flag_type, key, default, context)
            return failed(default, ErrorCode.PROVIDER_NOT_READY, "no flag document yet")
        flag = evaluator.flags.get(key)
        if flag is None:
            return not_found(key, default)
        attributes: Mapping[str, Any] = {} if context is None else context.attributes
        targeting_key = None if context is None else context.targeting_key
        if evaluator.context:
            attributes = {**evaluator.context, **attributes}
        ask = flag.evaluate_in_language if flag.experiment else flag.evaluate
        outcome = ask(attributes, targeting_key)
        if outcome.service_id is not None and flag_type is FlagType.OBJECT:
            found: FlagResolutionDetails[Any] = FlagResolutionDetails(
                None, None, None, outcome.reason, outcome.variant, flag.metadata
            )
            if outcome.forced:
                found.flag_metadata = {**flag.metadata, FORCED: True}
            service = self.services.get(outcome.service_id)
            return self._with_service(outcome.service_id, service, key, default, found)
        return details(flag, outcome, flag_type, default)

    def _resolve_by(
        self,
        other: ProviderFlags,
        flag_type: FlagType,
        key: str,
        default: Any,
        context: EvaluationContext | None,
    ) -> FlagResolutionDetails[Any]:
        """Let another provider evaluate, and put the service that it names in its place."""
        found = other.resolve(flag_type, key, default, context)
        service_id = named_service(found.value)
        if flag_type is not FlagType.OBJECT or found.variant is None or service_id is None:
            return found
        return self._with_service(service_id, self.services.get(service_id), key, default, found)

    def _with_service(
        self,
        service_id: str,
        service: Service | None,
        key: str,
        default: Any,
        found: FlagResolutionDetails[Any],
    ) -> FlagResolutionDetails[Any]:
        """Put the service in the place of the `{"service": id}` that names it."""
        if service is None or not service.published:
            return _unusable(service_id, service, key, default, found)
        described, value = self._described.get(service_id, _NOTHING)
        if described is not service:
            value = _describe(service)
            self._described[service_id] = (service, value)
        found.value = value
        return found


def _source_of(
    flags: FlagSource | FeatureProvider | str | Path,
) -> tuple[FlagSource | None, ProviderFlags | None]:
    """Tell a source of documents from a provider that evaluates by itself."""
    if isinstance(flags, (str, Path)):
        return FileFlags(flags), None
    if hasattr(flags, "resolve_object_details"):  # FeatureProvider can't be asked by isinstance
        return None, ProviderFlags(cast("FeatureProvider", flags))
    return flags, None


_NOTHING: tuple[Service | None, FrozenDict[str, str]] = (None, FrozenDict())


def _unusable(
    service_id: str,
    service: Service | None,
    key: str,
    default: Any,
    found: FlagResolutionDetails[Any],
) -> FlagResolutionDetails[Any]:
    """The caller's default, since the variant's service can't be used."""
    state = "unknown to the registry" if service is None else "not published"
    message = f"flag {key!r}, variant {found.variant!r}: service {service_id!r} is {state}"
    unusable = failed(default, ErrorCode.GENERAL, message)
    unusable.flag_metadata = found.flag_metadata
    return unusable


def _describe(service: Service) -> FrozenDict[str, str]:
    """What a flag's value may tell of a service: all but its credential."""
    return FrozenDict(
        {
            "service_id": service.service_id,
            "url": service.url,
            "protocol": service.protocol,
            "model_name": service.model_name,
            "model_version": service.model_version,
        }
    )


def _phase_details(experiment: Experiment) -> TrackingEventDetails:
    """What is recorded of a phase when it opens."""
    return TrackingEventDetails(
        attributes={
            "experiment": experiment.key,
            "phase": experiment.phase,
            "weights": json.dumps(dict(experiment.weights)),
            "metadata": json.dumps(dict(experiment.metadata)),
            "definition": experiment.definition,
            "bucketing": json.loads(experiment.definition).get("bucketing", ""),
        }
    )


def _changed(previous: Evaluator | None, present: Evaluator) -> list[str]:
    """The keys of the flags that came, went or changed."""
    give_way = GiveWay()
    before = previous.document.flags if previous else {}
    after = present.document.flags
    changed = []
    for key, flag in after.items():
        give_way()
        was = before.get(key)
        if was is not flag and was != flag:
            changed.append(key)
    changed += before.keys() - after.keys()
    return sorted(changed)
