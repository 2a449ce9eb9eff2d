"""InfluxDB's HTTP API, as far as looking after a store and reading it need.

Points are not written here but by the sender, which has time and may try again.
https://docs.influxdata.com/influxdb/v2/api/
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import urllib3

from openfeature_triton.hooks.errors import MissingStoreError, StoreUnavailableError, StoreUrlError
from openfeature_triton.hooks.settings import InfluxSettings

Row = Mapping[str, str]

_CONNECTIONS = 8
_ESCAPES = {"\\": r"\\", '"': r"\"", "$": r"\x24", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


class Table(NamedTuple):
    """Rows of one shape that a query gave; a tag that none of them has is not among the columns."""

    columns: tuple[str, ...]
    rows: list[list[str]]


class InfluxApi:
    """Asks one InfluxDB, from any thread, with the token that the settings name at that moment.

    Args:
        settings: where it is. StoreUrlError if the address can't be one.

    StoreUnavailableError, or MissingStoreError for a bucket or an organisation that is not there.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        address = urlsplit(settings.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise StoreUrlError(
                "InfluxDB", "its address can't be read", "use OFT_INFLUX_URL=http://localhost:8086"
            )
        self.settings = settings
        port = f":{address.port}" if address.port else ""
        self.name = f"{address.scheme}://{address.hostname}{port}{address.path}".rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(total=settings.deadline_s),
            retries=urllib3.Retry(connect=1, read=1, redirect=0, other=0),
            ca_certs=settings.ca and str(settings.ca),
        )

    def get(self, path: str, **query: str) -> Any:
        """Read a resource; gives its JSON."""
        return json.loads(self._ask("GET", f"{path}?{urlencode(query)}"))

    def post(self, path: str, body: object, **query: str) -> Any:
        """Make a resource, or ask for an action; gives its JSON, or None where there is none."""
        answer = self._ask("POST", f"{path}?{urlencode(query)}", json.dumps(body))
        return json.loads(answer) if answer.strip() else None

    def patch(self, path: str, body: object) -> Any:
        """Change a resource; gives its JSON."""
        return json.loads(self._ask("PATCH", path, json.dumps(body)))

    def write(self, bucket: str, lines: str) -> None:
        """Write a few lines at once: a probe, not what a service records."""
        query = urlencode({"org": self.settings.org, "bucket": bucket, "precision": "ns"})
        self._ask("POST", f"/api/v2/write?{query}", lines, kind="text/plain")

    def query(self, flux: str, *, now: datetime | None = None) -> list[Table]:
        """Run a Flux script, as at another time if `now` is given; gives what it yields."""
        dialect = {"header": True, "annotations": []}
        asked: dict[str, Any] = {"query": flux, "type": "flux", "dialect": dialect}
        if now is not None:
            asked["now"] = now.isoformat()
        text = self._ask(
            "POST",
            f"/api/v2/query?{urlencode({'org': self.settings.org})}",
            json.dumps(asked),
        )
        return list(_tables(text))

    def close(self) -> None:
        """Let go of connections."""
        self._pool.clear()

    def _ask(
        self, method: str, path: str, body: str | None = None, kind: str = "application/json"
    ) -> str:
        try:
            answer = self._pool.request(
                method,
                self.name + path,
                body=None if body is None else body.encode("utf-8", "replace"),
                headers={
                    "Authorization": f"Token {self.settings.read_token()}",
                    "Content-Type": kind,
                    "Accept-Encoding": "gzip",
                },
            )
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise StoreUnavailableError(
                self.name, _reason(error), "check that InfluxDB runs there and can be reached"
            ) from error
        text = answer.data.decode("utf-8", "replace")
        if answer.status >= 300:
            raise self._error(answer.status, text)
        return text

    def _error(self, status: int, text: str) -> StoreUnavailableError | MissingStoreError:
        message = _message(text)
        if status == 404:
            return MissingStoreError(
                self.name, message, "make the store (store init), or give a token that may read it"
            )
        advice = "give a token with the rights for it: OFT_INFLUX_TOKEN or OFT_INFLUX_TOKEN_FILE"
        if status not in (401, 403):
            advice = "check InfluxDB's log"
        return StoreUnavailableError(self.name, f"{message} (status {status})", advice)


def text(value: str) -> str:
    """Give a text as Flux writes it; whatever it holds, it stays a text."""
    return '"' + "".join(_ESCAPES.get(sign, sign) for sign in value) + '"'


def each_row(tables: list[Table]) -> Iterator[Row]:
    """Give the rows of tables by the names of their columns."""
    for table in tables:
        for row in table.rows:
            yield dict(zip(table.columns, row, strict=True))


def _tables(answer: str) -> Iterator[Table]:
    """Split InfluxDB's CSV: tables of one shape have one header; an empty line parts shapes."""
    table: Table | None = None
    for row in _cells(answer):
        if not row:
            table = None
        elif table is None:
            table = Table(tuple(row), [])
            yield table
        else:
            table.rows.append(row)


def _cells(answer: str) -> Iterator[list[str]]:
    """Split CSV into rows; where nothing is quoted, as nearly always, in half the time."""
    if '"' in answer:
        yield from csv.reader(io.StringIO(answer, newline=""))
    else:
        yield from (line.split(",") if line else [] for line in answer.split("\r\n"))


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, TypeError, KeyError):
        return body.strip().split("\n", 1)[0][:300] or "no reason given"


def _reason(error: Exception) -> str:
    """Give the innermost reason: urllib3 wraps it in what it tried."""
    inner = getattr(error, "reason", None)
    return str(inner or error).rsplit(": ", 1)[-1][:300]
