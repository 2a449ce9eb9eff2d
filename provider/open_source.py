"""From the settings to the source of flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openfeature_triton.provider.evaluation_servers import (
    EvaluationServer,
    FirstThatAnswers,
    FlagdRpc,
    Ofrep,
)
from openfeature_triton.provider.file_flags import FileFlags
from openfeature_triton.provider.flag_sources import FlagSource
from openfeature_triton.provider.last_good import LastGood
from openfeature_triton.provider.settings import ProviderSettings

if TYPE_CHECKING:
    from openfeature.provider import FeatureProvider


def open_source(settings: ProviderSettings) -> FlagSource | FeatureProvider:
    """Make the source that the settings name; nothing is read or connected yet.

    `file` and `sync` give documents; `rpc` is flagd's own provider, for evaluation alone.
    """
    if settings.source == "rpc":
        return _flagd_rpc()
    last_good = LastGood(settings.last_good) if settings.last_good else None
    if settings.source == "file":
        return FileFlags(
            settings.flags,
            bucketing=settings.bucketing,
            poll_s=settings.poll_ms / 1_000,
            allow_empty=settings.allow_empty,
            last_good=last_good,
        )
    # Imported here: gRPC is slow to import, and most services read a file.
    from openfeature_triton.provider.sync_flags import SyncFlags  # noqa: PLC0415

    return SyncFlags(
        bucketing=settings.bucketing, allow_empty=settings.allow_empty, last_good=last_good
    )


def evaluation_server(settings: ProviderSettings) -> EvaluationServer | None:
    """Give the server that the bucketing is verified against, None if there is none to ask."""
    if settings.ofrep_url:
        return Ofrep(settings.ofrep_url)
    if settings.source != "sync":
        return None
    from openfeature_triton.provider.sync_settings import SyncSettings  # noqa: PLC0415

    flagd = SyncSettings()
    return FirstThatAnswers((Ofrep(flagd.ofrep_url), FlagdRpc(flagd)))


def _flagd_rpc() -> FeatureProvider:
    from openfeature.contrib.provider.flagd import FlagdProvider  # noqa: PLC0415
    from openfeature.contrib.provider.flagd.config import ResolverType  # noqa: PLC0415

    return FlagdProvider(resolver_type=ResolverType.RPC)
