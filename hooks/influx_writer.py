"""Influx writer: one request to InfluxDB at a time, and what became of it. Raises nothing.

What a first request would import is imported with this module and with the first writer, by the
caller's thread: a child that is forked while the sender's thread imports would wait for the
import's lock for ever.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - which a connection to a host's name would import
import gzip  # noqa: F401 - which the client would import
import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import urllib3
from influxdb_client import InfluxDBClient, WriteService
from influxdb_client.rest import ApiException

from openfeature_triton.hooks.settings import InfluxSettings
from openfeature_triton.hooks.total_deadline import POOLS

_DROPPED = re.compile(r"dropped=([0-9]+)")
_MAX_MESSAGE = 500


class Verdict(Enum):
    """What an answer means for the points that were sent."""

    STORED = "stored"
    REFUSED = "refused"
    """Some or all of them will never be taken; the others may be stored already."""
    NOT_ALLOWED = "not_allowed"
    """The token, the organisation or the bucket is wrong: somebody has to act."""
    LATER = "later"
    """They may be taken another time."""
    UNREACHABLE = "unreachable"
    """Nobody answered the call; asking again costs next to nothing."""


class Answer(NamedTuple):
    """InfluxDB's answer; `dropped` is how many points it says it refused, if it says so."""

    verdict: Verdict
    status: int = 0
    message: str = ""
    retry_after_s: float | None = None
    dropped: int | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether the points may be stored all the same, later: nobody said no.

        InfluxDB answers 500 to a write that takes too long, and goes on with it; a proxy answers
        502 or 504.
        """
        return self.verdict is Verdict.LATER and self.status != 429


class InfluxWriter:
    """Sends lines to InfluxDB by its official client, gzipped, within a total deadline.

    Args:
        settings: where; a changed token is used from the next request on.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._token: str | None = None
        self._client: Any = None
        InfluxDBClient(settings.url, "").close()  # for what it imports

    def write(self, bucket: str, lines: Sequence[str], timeout_s: float) -> Answer:
        """Send lines to a bucket; gives what InfluxDB made of them."""
        timeout_s = max(timeout_s, 0.01)
        try:
            service = WriteService(self._api_client())
            service.post_write(
                org=self._settings.org,
                bucket=bucket,
                body="\n".join(lines),
                precision="ns",
                content_type="text/plain; charset=utf-8",
                _request_timeout=timeout_s * 1000,
            )
        except ApiException as error:
            return answer(error.status or 0, error.body or error.reason, dict(error.headers or {}))
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError):
            return Answer(Verdict.UNREACHABLE, message="connection refused, or no such host")
        except Exception as error:  # noqa: BLE001 - a timeout, a cut, whatever: not stored for sure
            return Answer(Verdict.LATER, message=f"{type(error).__name__}: {error}"[:_MAX_MESSAGE])
        return Answer(Verdict.STORED, 204)

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _api_client(self) -> Any:
        token = self._settings.read_token()
        if self._client is None or token != self._token:
            self.close()
            self._token = token
            self._client = InfluxDBClient(
                self._settings.url,
                token,
                enable_gzip=True,
                org=self._settings.org,
                ssl_ca_cert=self._settings.ca and str(self._settings.ca),
            )
            pools = self._client.api_client.rest_client.pool_manager
            pools.pool_classes_by_scheme = POOLS
        return self._client.api_client


def answer(status: int, body: object, headers: dict[str, str]) -> Answer:
    """Read an answer that is no success."""
    message, is_influx = _message(body)
    if status == 413 or (status in (400, 422) and is_influx):
        dropped = _DROPPED.search(message)
        return Answer(
            Verdict.REFUSED, status, message, dropped=int(dropped[1]) if dropped else None
        )
    if status in (401, 403, 404):
        return Answer(Verdict.NOT_ALLOWED, status, message)
    return Answer(Verdict.LATER, status, message, _retry_after_s(headers))


def _message(body: object) -> tuple[str, bool]:
    """Give what the body says, and whether it is InfluxDB that speaks: a proxy's page is not."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
        return str(said["message"])[:_MAX_MESSAGE], "code" in said
    except (ValueError, TypeError, KeyError):
        return text[:_MAX_MESSAGE], False


def _retry_after_s(headers: dict[str, str]) -> float | None:
    given = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    return float(given) if given.isdecimal() else None
