"""Settings of recording, from the environment (`OFT_…`) where they are not given."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from openfeature_triton.hooks.metrics import Units, merged_units


class RecorderSettings(BaseSettings):
    """How outcomes are counted, and where the counts go."""

    model_config = SettingsConfigDict(env_prefix="OFT_", frozen=True, extra="ignore")

    store: SecretStr = Field(
        default=SecretStr("sqlite:///store.db"), description="SQLAlchemy URL of the store"
    )
    window_s: float = Field(
        default=300.0, ge=0.1, le=86_400, description="width of the windows that counts are kept in"
    )
    latency_window_s: float = Field(
        default=3600.0,
        ge=0.1,
        le=86_400,
        description="width of the windows of the latency histogram",
    )
    flush_s: float = Field(
        default=10.0, ge=0.01, le=3600, description="how often what has changed is written"
    )
    close_s: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="how long the end of the process waits for the last write",
    )
    max_series: int = Field(
        default=1000,
        ge=1,
        description="how many series are kept apart; the rest is counted as `other`",
    )
    max_pending: int = Field(
        default=1_000_000,
        ge=1,
        description="how many outcomes wait in memory; more are dropped, counted",
    )
    max_backlog: int = Field(
        default=50_000,
        ge=1,
        description="how many points wait for the store; more are dropped, counted",
    )
    on_sigterm: bool = Field(
        default=True,
        description="write what is pending on SIGTERM, where nobody else handles that signal",
    )
    metrics: Mapping[str, Mapping[str, str]] = Field(
        default={},
        description="custom metrics beyond the defaults, as JSON: task type → name → unit",
    )

    @field_validator("metrics")
    @classmethod
    def _names_are_fields(cls, metrics: Mapping[str, Mapping[str, str]]) -> Units:
        merged_units(metrics)
        return metrics
