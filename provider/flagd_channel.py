"""gRPC channels to flagd, and what it answers to one question over its evaluation service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from openfeature.schemas.protobuf.flagd.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc

from openfeature_triton.provider.sync_settings import SyncSettings


def variant(
    settings: SyncSettings, flag_key: str, said: Mapping[str, Any], timeout_s: float
) -> str | None:
    """The variant that flagd gives a context; None if it gives none or can't be asked."""
    context = Struct()
    try:
        context.update(dict(said))
        with open_channel(settings, settings.rpc_target) as channel:
            answer = evaluation_pb2_grpc.ServiceStub(channel).ResolveObject(
                evaluation_pb2.ResolveObjectRequest(flag_key=flag_key, context=context),
                timeout=timeout_s,
                metadata=settings.headers,
            )
    except (grpc.RpcError, OSError, ValueError):  # OSError: the certificates can't be read
        return None
    return answer.variant or None


def open_channel(settings: SyncSettings, target: str) -> grpc.Channel:
    """Make a channel; nothing is connected before it is used."""
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", settings.max_bytes),
        # A channel of its own, so that each attempt is one: gRPC's back-off is not waited for.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.keepalive_timeout_ms", int(settings.answer_timeout_s * 1_000)),
    ]
    if settings.keep_alive_time_ms:
        options.append(("grpc.keepalive_time_ms", settings.keep_alive_time_ms))
        options.append(("grpc.http2.max_pings_without_data", 0))
    if settings.default_authority:
        options.append(("grpc.default_authority", settings.default_authority))
    if not settings.tls:
        return grpc.insecure_channel(target, options=options)
    path = settings.server_cert_path
    roots = Path(path).read_bytes() if path else None
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots), options)
