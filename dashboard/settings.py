"""Settings of the dashboard, from the environment (`OFT_…`) where they are not given."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class DashboardSettings(BaseSettings):
    """What the dashboard reads, and where it listens."""

    model_config = SettingsConfigDict(
        env_prefix="OFT_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # the store's URL may hold a password
    )

    store: SecretStr = Field(
        default=SecretStr("sqlite:///store.db"), description="SQLAlchemy URL of the store"
    )
    flags: str = Field(
        default="flags.json", description="the flag file; without it no status can be shown"
    )
    bucketing: Literal["v2", "v3"] = Field(
        default="v3", description="the generation of flagd's bucketing hash, part of a phase's id"
    )
    host: str = Field(
        default="127.0.0.1",
        description="the address to listen on; beyond loopback only where people must sign in",
    )
    port: int = Field(
        default=8080, ge=0, le=65_535, description="the port to listen on; 0 takes a free one"
    )
    spool: str = Field(
        default="spool", description="the folder in which recording processes say how they do"
    )
    access: str = Field(
        default="access.json", description="the file of users and tokens, hashes only, mode 0600"
    )
    proxy_address: IPvAnyNetwork | None = Field(
        default=None,
        description="the address or network of a trusted proxy that says who is looking",
    )
    proxy_header: str = Field(
        default="X-Forwarded-User",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="the header in which the trusted proxy names the user",
    )
    session_s: float = Field(default=43_200, gt=0, description="how long somebody stays signed in")
    track_per_s: float = Field(
        default=1000, gt=0, description="how many outcomes per second each token may report"
    )


def what_is_wrong(error: ValidationError, options: Container[str] = ()) -> str:
    """Say in one line which setting, or option, is no good; never its value: it may be secret."""
    first = error.errors(include_input=False)[0]
    name = "_".join(map(str, first["loc"]))
    shown = f"--{name}" if name in options else f"OFT_{name.upper()}"
    return f"{shown}: {first['msg']}; set it right or leave it out"
