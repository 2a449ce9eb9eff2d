"""A small server on flagd's published stubs that speaks sync: what CI has instead of flagd.

As a process of its own, so that it can be killed and stopped like flagd. It sends whatever its
file holds, however bad, again after each change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc

POLL_S = 0.01
NOTHING = '{"flags": {}}'


class Sync(sync_pb2_grpc.FlagSyncServiceServicer):
    """Sends the file's content; an unknown selector gets an empty set, as flagd does."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._path = Path(options.file)
        self._selector = options.selector
        self._context = Struct()
        self._context.update(dict(pair.split("=", 1) for pair in options.context))
        self._old = options.old
        self._refuse = options.refuse

    def SyncFlags(  # noqa: N802 - the name of the stub
        self, request: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """Send the content now and after each change."""
        if self._refuse:
            context.abort(grpc.StatusCode[self._refuse], "not for you")
        headers = dict(context.invocation_metadata())
        wanted = str(headers.get("flagd-selector", request.selector))
        sent = None
        while context.is_active():
            text = self._path.read_bytes().decode(errors="replace")
            text = text if wanted in ("", self._selector) else NOTHING
            if text != sent:
                sent = text
                told = None if self._old else self._context
                yield sync_pb2.SyncFlagsResponse(flag_configuration=text, sync_context=told)
            time.sleep(POLL_S)

    def GetMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Old servers tell the context here; new ones refuse, which is an answer too."""
        if self._old:
            return sync_pb2.GetMetadataResponse(metadata=self._context)
        return context.abort(grpc.StatusCode.UNIMPLEMENTED, "gone")

    def FetchAllFlags(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        """Nobody asks."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("file")
    parser.add_argument("--selector", default="")
    parser.add_argument("--context", action="append", default=[])
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--refuse", default="", help="a status code to answer with")
    parser.add_argument("--key", default="")
    parser.add_argument("--cert", default="")
    options = parser.parse_args()
    server = grpc.server(
        ThreadPoolExecutor(16),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    sync_pb2_grpc.add_FlagSyncServiceServicer_to_server(Sync(options), server)
    if options.key:
        pair = (Path(options.key).read_bytes(), Path(options.cert).read_bytes())
        server.add_secure_port(options.address, grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(options.address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
