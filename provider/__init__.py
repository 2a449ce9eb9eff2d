"""provider: from an OpenFeature evaluation to a Triton endpoint with its credential.

Law: knows no InfluxDB and no Flask; of this project it imports `flagd_config` alone.

The way of a request through its modules:

    flags      settings, sync_settings, open_source, flag_sources, file_flags, sync_flags,
               sync_channel, flagd_channel, deliveries, last_good, provider_flags, flags_in_force,
               phases, experiment_log, generation, evaluation_servers
    compiled   collector, evaluator, compiled_flag, guards, rule_compiler, rule_node,
               rule_variables, rule_tests, rule_logic, rule_splits
    asked      experiments, request, language, router, catalogue, offers, candidate, forced, route,
               placement
    resolved   triton_provider, provider_events, service_values, service, service_cache, registry,
               keyring, migration
    told       direct_hooks, stands_for, announcer, decided, telemetry, tally
    called     calls, deadline, breaker, clients, client_modules, thread_clients, grpc_clients,
               loop_clients, timers, hub_timers, task_timers, credential_plugin, fork_lock
    ended      errors, foreign_errors, foreign_frames, reports, direct_tracking, credit_token
    by hand    options, readiness, service_file, checks, library_checks, commands, upkeep_commands
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openfeature_triton.provider.calls import AsyncCall, Call
    from openfeature_triton.provider.clients import TritonClients
    from openfeature_triton.provider.errors import (
        DeadlineExceededError,
        FatalSourceError,
        FlagSourceError,
        InvalidServiceError,
        KeyringError,
        MalformedKeyError,
        MissingKeyError,
        NewerRegistryError,
        NotARegistryError,
        ProviderError,
        RegistryError,
        RegistryUnavailableError,
        ServiceExistsError,
        ServiceFileError,
        UnknownServiceError,
        WrongKeyError,
    )
    from openfeature_triton.provider.experiments import Experiments
    from openfeature_triton.provider.file_flags import FileFlags
    from openfeature_triton.provider.flag_sources import FlagListener, FlagSource
    from openfeature_triton.provider.foreign_errors import error_class
    from openfeature_triton.provider.keyring import Keyring
    from openfeature_triton.provider.last_good import LastGood
    from openfeature_triton.provider.registry import Registry
    from openfeature_triton.provider.route import Route, RouteReason
    from openfeature_triton.provider.service import Service
    from openfeature_triton.provider.service_cache import ServiceCache
    from openfeature_triton.provider.settings import ProviderSettings
    from openfeature_triton.provider.sync_flags import SyncFlags
    from openfeature_triton.provider.sync_settings import SyncSettings
    from openfeature_triton.provider.triton_provider import TritonProvider

_HOME = {
    "AsyncCall": "calls",
    "Call": "calls",
    "TritonClients": "clients",
    "FatalSourceError": "errors",
    "FlagSourceError": "errors",
    "DeadlineExceededError": "errors",
    "InvalidServiceError": "errors",
    "KeyringError": "errors",
    "MalformedKeyError": "errors",
    "MissingKeyError": "errors",
    "NewerRegistryError": "errors",
    "NotARegistryError": "errors",
    "ProviderError": "errors",
    "RegistryError": "errors",
    "RegistryUnavailableError": "errors",
    "ServiceExistsError": "errors",
    "ServiceFileError": "errors",
    "UnknownServiceError": "errors",
    "WrongKeyError": "errors",
    "Experiments": "experiments",
    "FileFlags": "file_flags",
    "FlagListener": "flag_sources",
    "FlagSource": "flag_sources",
    "error_class": "foreign_errors",
    "Keyring": "keyring",
    "LastGood": "last_good",
    "Registry": "registry",
    "Route": "route",
    "RouteReason": "route",
    "Service": "service",
    "ServiceCache": "service_cache",
    "ProviderSettings": "settings",
    "SyncFlags": "sync_flags",
    "SyncSettings": "sync_settings",
    "TritonProvider": "triton_provider",
}

__all__ = [
    "AsyncCall",
    "Call",
    "DeadlineExceededError",
    "Experiments",
    "FatalSourceError",
    "FileFlags",
    "FlagListener",
    "FlagSource",
    "FlagSourceError",
    "InvalidServiceError",
    "Keyring",
    "KeyringError",
    "LastGood",
    "MalformedKeyError",
    "MissingKeyError",
    "NewerRegistryError",
    "NotARegistryError",
    "ProviderError",
    "ProviderSettings",
    "Registry",
    "RegistryError",
    "RegistryUnavailableError",
    "Route",
    "RouteReason",
    "Service",
    "ServiceCache",
    "ServiceExistsError",
    "ServiceFileError",
    "SyncFlags",
    "SyncSettings",
    "TritonClients",
    "TritonProvider",
    "UnknownServiceError",
    "WrongKeyError",
    "error_class",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
