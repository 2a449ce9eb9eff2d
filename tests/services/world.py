"""Sets a service up as the README shows, in front of a running Triton."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openfeature import api
from pydantic import SecretStr

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.demo.triton_server import RunningTriton
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import counts_and_latencies
from openfeature_triton.flagd_config import example, read_document
from openfeature_triton.hooks import ExperimentHook, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Experiments,
    Keyring,
    ProviderSettings,
    Registry,
    Service,
    TritonProvider,
)
from tests import servers


@dataclass(frozen=True)
class World:
    """A service, and the store that it records in."""

    experiment: str
    experiments: Experiments
    recorder: Recorder
    store: str

    def variant(self, task_type: str, language: str, key: str) -> str:
        """The variant of a key, by asking as a service would; counts an exposure, no request."""
        route = self.experiments.route(
            task_type, language=language, targeting_key=key, service_id="?"
        )
        return route.variant

    def numbers(self) -> dict[str, summary.Numbers]:
        """What the store holds of each variant."""
        assert self.recorder.flush()
        return stored(self.store, self.experiment)


def stored(store: str, experiment: str) -> dict[str, summary.Numbers]:
    """Read what a store holds of each variant of an experiment."""
    with closing(SqlStore(store)) as reader:
        found = summary.group(counts_and_latencies(reader, experiment), lambda each: each.variant)
    return {variant: summary.numbers(each) for variant, each in found.items()}


def provider_settings(
    task_type: str, triton: RunningTriton, folder: Path, protocol: str = "http"
) -> ProviderSettings:
    """Write a registry of the services of an example flag file; give the settings for both."""
    settings = ProviderSettings(
        flags=str(example(task_type)),
        registry=SecretStr(f"sqlite:///{folder}/registry.db"),
        keys=Keyring.generate_key(),
        registry_ttl_s=0.2,
    )
    (experiment,) = read_document(settings.flags).experiments.values()
    with closing(Registry(settings.registry, Keyring((settings.keys,)))) as registry:
        registry.create_schema()
        for service_id in experiment.services.values():
            registry.add(
                Service(
                    service_id=service_id,
                    task_type=task_type,
                    protocol=protocol,
                    url=triton.http_url if protocol == "http" else triton.grpc_url,
                    model_name=service_id,
                    credential=SecretStr(servers.CREDENTIAL),
                )
            )
    return settings


@contextmanager
def world(settings: ProviderSettings, folder: Path) -> Iterator[World]:
    """Set a service up; all is recorded in the end."""
    store = f"sqlite:///{folder}/store.db"
    recorder = Recorder.open(RecorderSettings(store=SecretStr(store), on_sigterm=False))
    try:
        api.set_provider_and_wait(TritonProvider.open(settings, on_track=recorder.track))
        api.add_hooks([ExperimentHook(recorder)])
        experiments = Experiments(api.get_client(), settings=settings)
        (experiment,) = read_document(settings.flags).experiments
        try:
            yield World(experiment, experiments, recorder, store)
        finally:
            experiments.close()
    finally:
        assert recorder.close()
