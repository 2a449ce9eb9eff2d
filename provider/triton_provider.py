"""TritonProvider: the OpenFeature provider that resolves a flag to a service on Triton."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, FeatureProvider, Metadata
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import Document
from openfeature_triton.provider.candidate import Assignment
from openfeature_triton.provider.client_modules import import_clients_of
from openfeature_triton.provider.compiled_flag import CompiledFlag, Outcome, named_service
from openfeature_triton.provider.direct_tracking import direct_tracker
from openfeature_triton.provider.errors import FatalSourceError
from openfeature_triton.provider.evaluation_servers import EvaluationServer
from openfeature_triton.provider.evaluator import Evaluator, details, failed, not_found
from openfeature_triton.provider.file_flags import FileFlags
from openfeature_triton.provider.flag_sources import FlagSource
from openfeature_triton.provider.flags_in_force import FlagsInForce
from openfeature_triton.provider.forced import FORCED
from openfeature_triton.provider.generation import GenerationCheck, GenerationGuard
from openfeature_triton.provider.keyring import Keyring
from openfeature_triton.provider.open_source import evaluation_server, open_source
from openfeature_triton.provider.phases import Phases
from openfeature_triton.provider.provider_events import ProviderEvents
from openfeature_triton.provider.provider_flags import ProviderFlags
from openfeature_triton.provider.registry import Registry
from openfeature_triton.provider.route import RouteReason
from openfeature_triton.provider.service import Service
from openfeature_triton.provider.service_cache import ServiceCache
from openfeature_triton.provider.service_values import Services, ServiceValues
from openfeature_triton.provider.settings import ProviderSettings
from openfeature_triton.provider.tally import Tally
from openfeature_triton.provider.telemetry import telemetry_hook

_log = logging.getLogger(__name__)
_NO_CONTEXT = EvaluationContext()


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
        on_track: gets every tracking event, e.g. `Recorder.track`; outcomes of requests go to a
            method `track_inference` of the same object, if it has one.
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
        is_ours = type(self).track is TritonProvider.track
        self.track_inference = direct_tracker(on_track) if is_ours else None
        self._events = ProviderEvents(self)
        self.flags = FlagsInForce(
            self._events, Phases(self.track), GenerationGuard(server, strict=strict)
        )
        self._values = ServiceValues()
        self._metadata = Metadata("openfeature-triton")
        self._tally = Tally(_log)
        self._telemetry = telemetry_hook(self._metadata, self._tally)

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
            elif isinstance(self.services, Mapping):
                import_clients_of(self.services.values())

    def _tell_recovery(self) -> None:
        """The registry can be read at last; with flags, the provider is ready."""
        if self.flags.evaluator is not None or self._other is not None:
            self.emit_provider_ready(ProviderEventDetails(message="the registry can be read now"))

    def _start_flags(self, evaluation_context: EvaluationContext) -> None:
        if self._other is not None:
            self._other.start(evaluation_context, self.emit)
        if self._source is None:
            return
        self._events.starting()
        self._source.start(self.flags)
        self._events.started()
        if self.flags.evaluator is None:
            trouble = self.flags.trouble
            refusal = (
                ProviderFatalError
                if isinstance(trouble, FatalSourceError)
                else ProviderNotReadyError
            )
            raise refusal(str(trouble or "no flag document has arrived yet"))

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
        """The hooks of the provider that evaluates, if it is another one, and telemetry's.

        Telemetry's only where a span records.
        """
        telemetry = self._telemetry
        hooks: list[Hook] = []
        if telemetry is not None and telemetry.is_wanted():
            hooks.append(telemetry)
        return hooks if self._other is None else [*self._other.hooks(), *hooks]

    @property
    def document(self) -> Document | None:
        """The flag document in force, or None before the first good one."""
        return self.flags.document

    def verify_generation(self) -> GenerationCheck:
        """Ask the server whether it splits requests as we do, and tell if it does not.

        Strict, flags that were stopped for it come back with the next document.
        """
        return self.flags.verify_generation()

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
        evaluator = self.flags.evaluator
        if evaluator is None or flag_key not in evaluator.document.experiments:
            return self._resolve(FlagType.STRING, flag_key, default_value, evaluation_context)
        details: FlagResolutionDetails[Any] = self.resolve_object_details(
            flag_key, default_value, evaluation_context
        )
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
        evaluator = self.flags.evaluator
        flag = None if evaluator is None else evaluator.flags.get(flag_key)
        if evaluator is None or flag is None:
            return self._resolve(FlagType.OBJECT, flag_key, default_value, evaluation_context)
        outcome = _evaluate(evaluator, flag, evaluation_context)
        service_id = outcome.service_id
        if service_id is None:
            return details(flag, outcome, FlagType.OBJECT, default_value)
        found: FlagResolutionDetails[Any] = FlagResolutionDetails(
            None, None, None, outcome.reason, outcome.variant, flag.metadata
        )
        if outcome.forced:
            found.flag_metadata = {**flag.metadata, FORCED: True}
        service = self.services.get(service_id)
        return self._values.put(service_id, service, flag_key, default_value, found)

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
        evaluator = self.flags.evaluator
        if evaluator is None:
            return self._not_ready()
        if evaluator.context:
            attributes = {**evaluator.context, **attributes}
        ways = evaluator.catalogue.ways
        try:
            way = ways.get((task_type, language)) or evaluator.catalogue.way(task_type, language)
            return way(attributes, targeting_key) or RouteReason.NO_MATCH
        except Exception:  # noqa: BLE001 - a targeting key that is no Unicode
            return RouteReason.FLAG_ERROR

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
        return self._values.put(
            assignment.service_id, service, assignment.experiment, default, found
        )

    def _not_ready(self) -> RouteReason:
        """Why there is no catalogue; another provider's flags make none."""
        return RouteReason.NOT_READY if self._other is None else RouteReason.NO_EXPERIMENT

    # From a flag to its value

    def _resolve(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        evaluator = self.flags.evaluator
        if evaluator is None:
            return self._resolve_without(flag_type, key, default, context)
        flag = evaluator.flags.get(key)
        if flag is None:
            return not_found(key, default)
        return details(flag, _evaluate(evaluator, flag, context), flag_type, default)

    def _resolve_without(
        self, flag_type: FlagType, key: str, default: Any, context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        """Let the other provider evaluate, and put the service that it names in its place."""
        if self._other is None:
            return failed(default, ErrorCode.PROVIDER_NOT_READY, "no flag document yet")
        found = self._other.resolve(flag_type, key, default, context)
        service_id = named_service(found.value)
        if flag_type is not FlagType.OBJECT or found.variant is None or service_id is None:
            return found
        return self._values.put(service_id, self.services.get(service_id), key, default, found)


def _evaluate(
    evaluator: Evaluator, flag: CompiledFlag, context: EvaluationContext | None
) -> Outcome:
    """What a flag gives in a context, flagd's own below it."""
    context = context or _NO_CONTEXT
    attributes: Mapping[str, Any] = context.attributes
    if evaluator.context:
        attributes = {**evaluator.context, **attributes}
    if flag.by_task:
        return flag.evaluate_in_language(attributes, context.targeting_key)
    return flag.evaluate(attributes, context.targeting_key)


def _source_of(
    flags: FlagSource | FeatureProvider | str | Path,
) -> tuple[FlagSource | None, ProviderFlags | None]:
    """Tell a source of documents from a provider that evaluates by itself."""
    if isinstance(flags, (str, Path)):
        return FileFlags(flags), None
    if hasattr(flags, "resolve_object_details"):  # FeatureProvider can't be asked by isinstance
        return None, ProviderFlags(cast("FeatureProvider", flags))
    return flags, None
