"""Foreign frames: what is left in a traceback of the clients that carried a credential.

A client's frames hold the request with its headers in their locals, and tools that report errors
print locals. A frame that is over can be emptied; file, line and function stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import FrameType

_CLIENTS = ("tritonclient", "geventhttpclient", "gevent", "aiohttp", "grpc")


def empty_client_frames(error: BaseException) -> None:
    """Empty the locals of the clients' frames in an exception, and in those behind it.

    Never raises: that would take the place of the exception.
    """
    with suppress(Exception):  # one that does not let itself be looked at
        for frame in _frames(error):
            if str(frame.f_globals.get("__name__")).partition(".")[0] in _CLIENTS:
                with suppress(RuntimeError):  # it still runs
                    frame.clear()


def _frames(error: BaseException) -> Iterator[FrameType]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        waiting += [current.__cause__, current.__context__]
        traceback = current.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
