"""ProviderSettings: where flags and services come from, read from the environment at the edge."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProviderSettings(BaseSettings):
    """Settings of the provider; each from `OFT_<NAME>`, frozen once read, secrets masked."""

    model_config = SettingsConfigDict(
        env_prefix="OFT_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # what is refused may be a key or a password
    )

    def __init__(self, **values: Any) -> None:
        """Read the environment; ValidationError, without the frames that hold what was read."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise error.with_traceback(None) from None

    source: Literal["file", "sync", "rpc"] = Field(
        default="file",
        description="where flags come from: a file, flagd's sync stream, or flagd's own evaluation",
        validation_alias=AliasChoices("OFT_SOURCE", "FLAGD_RESOLVER"),
    )
    flags: str = Field(
        default="flags.json",
        description="the flag file (JSON, or YAML by its suffix)",
        validation_alias=AliasChoices("OFT_FLAGS", "FLAGD_OFFLINE_FLAG_SOURCE_PATH"),
    )
    poll_ms: int = Field(
        default=200,
        ge=1,
        description="milliseconds between two looks at the flag file",
        validation_alias=AliasChoices("OFT_POLL_MS", "FLAGD_OFFLINE_POLL_MS"),
    )
    last_good: str = Field(
        default="", description="a file that keeps the last good flags for a start without source"
    )
    allow_empty: bool = Field(
        default=False, description="whether a flag document without any flag is taken"
    )
    ofrep_url: str = Field(
        default="",
        description="a server to verify `bucketing` against; flagd's own OFREP for sync",
    )
    strict: bool = Field(
        default=False,
        description="whether a server of another bucketing stops all experiments here",
    )
    registry: SecretStr = Field(
        default=SecretStr("sqlite:///registry.db"),
        description="the registry of services, an SQLAlchemy URL",
    )
    keys: SecretStr = Field(
        default=SecretStr(""),
        description="Fernet keys of the registry, comma separated; the first encrypts",
    )
    registry_ttl_s: float = Field(
        default=30.0, gt=0, description="age at which services are read again"
    )
    experiments: bool = Field(
        default=True, description="off: every request to its caller's own service"
    )
    bucketing: Literal["v3", "v2"] = Field(
        default="v3", description="the generation of flagd's bucketing hash"
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, description="for connecting to a Triton")
    network_timeout_s: float = Field(default=60.0, gt=0, description="for one socket operation")
    deadline_s: float = Field(
        default=60.0, gt=0, description="for a whole call, its fallback included"
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="failures in a row after which an endpoint is left alone"
    )
    breaker_rest_s: float = Field(
        default=30.0, gt=0, description="how long it is left alone before a request probes it"
    )
    token_key: SecretStr = Field(
        default=SecretStr(""),
        description="signs credit tokens, comma separated, the first signs; OFT_KEYS if not given",
    )
    token_ttl_s: float = Field(
        default=90 * 86400.0, gt=0, description="age up to which a credit token is taken"
    )

    @field_validator("source", mode="before")
    @classmethod
    def _flagds_word(cls, value: object) -> object:
        """Take flagd's words, too: `in-process` is its sync stream, or a file if it names one."""
        word = value.lower() if isinstance(value, str) else value
        if word != "in-process":
            return word
        return "file" if os.environ.get("FLAGD_OFFLINE_FLAG_SOURCE_PATH") else "sync"
