"""One connection to flagd's sync service: the channel, the stream, and whether flagd answers.

The flagd provider's own `GrpcWatcher` does not serve here: it can't receive more than 4 MiB, asks
for metadata without a deadline (a hung flagd hangs it for good), dies of metadata that is empty,
waits for its longest back-off after each break, and leaves a timer of ten seconds behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import grpc
from google.protobuf.json_format import MessageToDict
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc

from openfeature_triton.provider.errors import FatalSourceError, FlagSourceError
from openfeature_triton.provider.flagd_channel import open_channel
from openfeature_triton.provider.sync_settings import SyncSettings

_SILENT = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


class Received(NamedTuple):
    """A document as flagd sent it, with the context that it wants in each evaluation."""

    text: bytes
    context: Mapping[str, Any]


class SyncChannel:
    """One channel, used for one stream and closed when that ends; never used after a fork."""

    def __init__(self, settings: SyncSettings) -> None:
        self._settings = settings
        self._channel = open_channel(settings, settings.target)
        self._stub = sync_pb2_grpc.FlagSyncServiceStub(self._channel)
        self._stream: Any = None
        self._closed = False

    def documents(self) -> Iterator[Received]:
        """Give each document as it arrives; raises grpc.RpcError when the stream breaks."""
        metadata = self._metadata()
        request = sync_pb2.SyncFlagsRequest(
            provider_id=self._settings.provider_id, selector=self._settings.selector
        )
        self._stream = self._stub.SyncFlags(
            request,
            timeout=self._settings.stream_deadline_ms / 1_000 or None,
            metadata=self._settings.headers,
        )
        if self._closed:
            self._stream.cancel()
        for response in self._stream:
            context = response.sync_context if response.HasField("sync_context") else metadata
            text = response.flag_configuration.encode()
            yield Received(text, MessageToDict(context) if context is not None else {})

    def ask(self) -> grpc.Future:
        """Ask whether flagd answers; see `answered`."""
        return self._stub.GetMetadata.future(
            sync_pb2.GetMetadataRequest(), timeout=self._settings.answer_timeout_s
        )

    def close(self) -> None:
        """End the stream; whoever waits for its next document gets an error."""
        self._closed = True
        if self._stream is not None:
            self._stream.cancel()
        self._channel.close()

    def _metadata(self) -> Any:
        """What an older flagd tells apart from the stream, None where it does not; proves it alive.

        Raises grpc.RpcError where there is no answer at all.
        """
        question = self.ask()
        try:
            return question.result().metadata
        except grpc.RpcError as error:
            if not answered(error):
                raise
            return None


def answered(error: grpc.RpcError | None) -> bool:
    """Say whether a call was answered at all; a refusal is an answer."""
    return error is None or error.code() not in _SILENT


def cancelled(error: Exception) -> bool:
    """Say whether this end itself gave up a call."""
    return isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.CANCELLED


def gives_up(error: Exception, settings: SyncSettings) -> FatalSourceError | None:
    """Say that flagd answered what the settings give up at, None for anything else."""
    if not isinstance(error, grpc.RpcError) or error.code().name not in settings.fatal_codes:
        return None
    return FatalSourceError(
        f"flagd at {settings.target} answers {error.code().name} ({error.details()}), at which "
        "FLAGD_FATAL_STATUS_CODES gives up: every request goes to its caller's own service — "
        "mend that and start this service again"
    )


def explained(error: Exception, settings: SyncSettings) -> FlagSourceError:
    """Say what a broken stream means and what to do."""
    code = error.code() if isinstance(error, grpc.RpcError) else None
    where = f"flagd at {settings.target}"
    details = error.details() if isinstance(error, grpc.RpcError) else str(error)
    if isinstance(error, FlagSourceError):
        return error
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (details or ""):
        return FlagSourceError(
            f"{where}: its flag document is larger than {settings.max_bytes:,} bytes — "
            "make it smaller, select a part of it, or raise OFT_SYNC_MAX_BYTES"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        details = f"it does not answer within {settings.answer_timeout_s:g} s"
    reason = details or (code.name if code else type(error).__name__)
    return FlagSourceError(
        f"{where} gives no flags: {reason} — see that flagd runs there "
        "(FLAGD_HOST, FLAGD_SYNC_PORT, FLAGD_SOCKET_PATH, FLAGD_TLS)"
    )
