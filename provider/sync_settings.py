"""SyncSettings: where flagd's sync stream is, by the names that flagd's own providers use."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_BACKOFF_MS = 1_000
MEBIBYTE = 2**20
# fmt: off
STATUS_CODES = frozenset((
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
))
# fmt: on


class SyncSettings(BaseSettings):
    """Settings of the sync source; each from `FLAGD_<NAME>`, ours from `OFT_…`; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="FLAGD_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="localhost", description="the host that flagd runs on")
    port: int = Field(
        default=8015,
        ge=1,
        le=65_535,
        description="the port of its sync service",
        validation_alias=AliasChoices("FLAGD_SYNC_PORT", "FLAGD_PORT"),
    )
    ofrep_port: int = Field(
        default=8016, ge=1, le=65_535, description="the port on which it evaluates by OFREP"
    )
    rpc_port: int = Field(
        default=8013, ge=1, le=65_535, description="the port on which it evaluates by gRPC"
    )
    socket_path: str = Field(default="", description="its unix socket, instead of host and port")
    tls: bool = Field(default=False, description="whether the connection is encrypted")
    server_cert_path: str = Field(
        default="", description="PEM file of the authorities to trust; the system's, if empty"
    )
    default_authority: str = Field(
        default="", description="the server's name for TLS and proxies, if it is not the host"
    )
    selector: str = Field(
        default="",
        description="which of flagd's sources or flag sets to take",
        validation_alias=AliasChoices("FLAGD_SOURCE_SELECTOR", "FLAGD_SELECTOR"),
    )
    provider_id: str = Field(default="", description="the name that flagd knows this client by")
    deadline_ms: int = Field(default=500, ge=0, description="for the first document at start")
    stream_deadline_ms: int = Field(
        default=600_000, ge=0, description="the stream is opened anew after this; 0: never"
    )
    keep_alive_time_ms: int = Field(
        default=30_000, ge=0, description="between keepalive pings; flagd refuses < 30,000; 0: none"
    )
    retry_backoff_ms: int = Field(default=100, ge=1, description="before the second attempt")
    retry_backoff_max_ms: int = Field(
        default=MAX_BACKOFF_MS, ge=1, description="between later attempts; at most 1,000"
    )
    retry_grace_period: float = Field(
        default=10.0, ge=0, description="seconds without flagd until STALE becomes ERROR"
    )
    fatal_status_codes: str = Field(
        default="",
        description="gRPC status codes, comma separated, at which flagd is given up for good",
    )
    heartbeat_s: float = Field(
        default=3.0,
        gt=0,
        description="between questions whether flagd still answers",
        validation_alias="OFT_SYNC_HEARTBEAT_S",
    )
    answer_timeout_s: float = Field(
        default=2.0,
        gt=0,
        description="for one answer, after which flagd counts as hung",
        validation_alias="OFT_SYNC_ANSWER_TIMEOUT_S",
    )
    max_bytes: int = Field(
        default=64 * MEBIBYTE,
        ge=1_024,
        description="the largest flag document that is received",
        validation_alias="OFT_SYNC_MAX_BYTES",
    )

    @field_validator("fatal_status_codes")
    @classmethod
    def _known_codes(cls, value: str) -> str:
        """Refuse what is no status code: it would never be met."""
        unknown = _names(value) - STATUS_CODES
        if unknown:
            raise ValueError(f"no gRPC status codes: {', '.join(sorted(unknown))}")
        return value

    @property
    def fatal_codes(self) -> frozenset[str]:
        """The names of the status codes at which flagd is given up."""
        return _names(self.fatal_status_codes)

    @property
    def target(self) -> str:
        """The address as gRPC wants it."""
        if self.socket_path:
            return f"unix://{Path(self.socket_path).absolute()}"
        return self._at(self.port)

    @property
    def ofrep_url(self) -> str:
        """Where it evaluates over HTTP; the host's, never a socket."""
        return f"http{'s' if self.tls else ''}://{self._at(self.ofrep_port)}"

    @property
    def rpc_target(self) -> str:
        """The address of its evaluation service as gRPC wants it; the host's, never a socket."""
        return self._at(self.rpc_port)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is sent with each call: the selector, if there is one."""
        return (("flagd-selector", self.selector),) if self.selector else ()

    def _at(self, port: int) -> str:
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def backoff_s(self, attempt: int) -> float:
        """Seconds to wait after this many failed attempts in a row, at most one."""
        longest_ms = min(self.retry_backoff_max_ms, MAX_BACKOFF_MS)
        return min(self.retry_backoff_ms * 2.0 ** min(attempt, 16), longest_ms) / 1_000


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip().upper() for name in listed.split(",") if name.strip())
