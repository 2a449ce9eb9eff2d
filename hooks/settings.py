"""Settings of recording, from the environment (`OFT_…`) where they are not given."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from openfeature_triton.hooks.metrics import Units, merged_units


class RecorderSettings(BaseSettings):
    """How outcomes are counted, and where the counts go."""

    model_config = SettingsConfigDict(env_prefix="OFT_", frozen=True, extra="ignore")

    store: SecretStr = Field(
        default=SecretStr("sqlite:///store.db"), description="SQLAlchemy URL of the store"
    )
    merge_days: bool = Field(
        default=True,
        description="`off` merges no closed days of a database (InfluxDB has a task for it)",
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
        description="how many outcomes wait in memory, and four times as many of which nothing but"
        " the latency is told; more are dropped, counted",
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

    raw_points: bool = Field(
        default=True, description="`off` sends no raw points to InfluxDB, only windows"
    )
    raw_per_s: float = Field(
        default=100.0,
        gt=0,
        description="how many raw points a process sends each second; more are left out, counted",
    )
    spool: Path = Field(
        default=Path("spool"),
        description="folder that keeps what InfluxDB has not taken yet, and where processes say "
        "how they do; those that record to a database only where it is set, or there",
    )
    spool_max_bytes: int = Field(
        default=256 * 2**20,
        ge=2**16,
        description="size of a process's spool; beyond it the oldest is dropped, counted",
    )
    spool_s: float = Field(
        default=1.0, ge=0.01, le=60, description="how often what has changed is spooled"
    )

    @field_validator("metrics")
    @classmethod
    def _names_are_fields(cls, metrics: Mapping[str, Mapping[str, str]]) -> Units:
        merged_units(metrics)
        return metrics


class InfluxSettings(BaseSettings):
    """Where InfluxDB 2 is, and how to write there; without a URL the embedded store is used."""

    model_config = SettingsConfigDict(env_prefix="OFT_INFLUX_", frozen=True, extra="ignore")

    url: str = Field(
        default="", description="InfluxDB's address, e.g. http://localhost:8086; empty: not used"
    )
    org: str = Field(default="openfeature-triton", description="organisation")
    token: SecretStr = Field(default=SecretStr(""), description="token that may write")
    token_file: Path | None = Field(
        default=None,
        description="file that holds the token, read again for each request; goes before the token",
    )
    bucket: str = Field(default="experiments", description="bucket of the windows")
    raw_bucket: str = Field(default="experiments_raw", description="bucket of the raw points")
    days_bucket: str = Field(
        default="experiments_days", description="bucket of the days merged over all writers"
    )
    deadline_s: float = Field(
        default=10.0, gt=0, le=600, description="how long one request to InfluxDB may take in all"
    )
    ca: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities that InfluxDB's certificate is held"
        " to, where it is none that the system knows",
    )
    doubt_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="how long InfluxDB, once it answers again, may still store requests that it"
        " never answered; what those could undo is sent once more afterwards",
    )

    @field_validator("ca")
    @classmethod
    def _ca_can_be_read(cls, ca: Path | None) -> Path | None:
        if ca is not None:
            try:
                ssl.create_default_context(cafile=ca)
            except OSError as error:  # a missing file, or one without certificates (SSLError)
                raise ValueError(
                    f"{ca}: {error.strerror or error}; name a PEM file of certificates"
                ) from error
        return ca

    def read_token(self) -> str:
        """Give the token as it is now; empty if there is none, or its file can't be read."""
        if self.token_file is None:
            return self.token.get_secret_value()
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""
