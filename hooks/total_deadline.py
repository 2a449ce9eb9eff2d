"""Total deadline: urllib3 connections whose timeout is for a whole request, not for each read.

urllib3 counts its `total` anew for each operation on the socket
(https://urllib3.readthedocs.io/en/stable/reference/urllib3.util.html#urllib3.util.Timeout), so a
server that drips is never cut off.
"""

from __future__ import annotations

import socket
import time
from functools import partial
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any, NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _DeadlineReader(RawIOBase):
    """Reads a socket until a total deadline, however slowly it drips."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection = connection
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes in the time that is left; TimeoutError when it is up."""
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the total deadline of the request is over")
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


class _Source(NamedTuple):
    """What an HTTPResponse asks its socket for: a file to read from."""

    reader: _DeadlineReader

    def makefile(self, *_: object) -> BufferedReader:
        """Give the file."""
        return BufferedReader(self.reader)


class _Deadlined:
    """A connection whose timeout is for the whole request."""

    timeout: Any
    response_class: Any

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Start the clock."""
        deadline_s = time.monotonic() + float(self.timeout)
        self.response_class = partial(_response, deadline_s)
        return super().request(*args, **kwargs)  # type: ignore[misc]


def _response(
    deadline_s: float, connection: socket.socket, *args: Any, **kwargs: Any
) -> HTTPResponse:
    """Give a response that is read until the deadline."""
    source: Any = _Source(_DeadlineReader(connection, deadline_s))
    return HTTPResponse(source, *args, **kwargs)


class _Connection(_Deadlined, HTTPConnection):
    """HTTP within a deadline."""


class _SecureConnection(_Deadlined, HTTPSConnection):
    """HTTPS within a deadline."""


class _Pool(HTTPConnectionPool):
    """Connections of HTTP."""

    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    """Connections of HTTPS."""

    ConnectionCls = _SecureConnection


POOLS = {"http": _Pool, "https": _SecurePool}
"""For `urllib3.PoolManager.pool_classes_by_scheme`."""
