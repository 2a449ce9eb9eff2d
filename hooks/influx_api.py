"""InfluxDB's HTTP API, as far as looking after a store and reading it need.

Points are not written here but by the sender, which has time and may try again.
https://docs.influxdata.com/influxdb/v2/api/
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
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

    columns: Mapping[str, Sequence[str]]

    def zipped(self, names: Iterable[str]) -> Iterable[tuple[str, ...]]:
        """Give of each row the columns of these names, empty where there is no such column."""
        rows = len(next(iter(self.columns.values()), ()))
        return zip(*(self.columns.get(name) or [""] * rows for name in names), strict=True)


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
        tables = list(_tables(text))
        for table in tables:
            if table.columns.keys() >= {"error", "reference"}:  # too late for another status
                problem = table.columns["error"][0][:300]
                raise StoreUnavailableError(self.name, problem, "check InfluxDB's log")
        return tables

    def query_all(self, scripts: Sequence[str]) -> list[list[Table]]:
        """Run several scripts in one request, side by side; gives what each of them yields."""
        found: list[list[Table]] = [[] for _ in scripts]
        named = (f'{script} |> yield(name: "{nth}")' for nth, script in enumerate(scripts))
        for table in self.query("\n".join(named)) if scripts else ():
            found[int(table.columns["result"][0])].append(table)
        return found

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
        for row in table.zipped(table.columns):
            yield dict(zip(table.columns, row, strict=True))


def _tables(answer: str) -> Iterator[Table]:
    """Split InfluxDB's CSV: tables of one shape have one header; an empty line parts shapes.

    Where nothing is quoted, as nearly always, a shape is split into cells at once.
    """
    if '"' in answer:
        rows = csv.reader(io.StringIO(answer, newline=""))
        for is_shape, lines in groupby(rows, bool):
            if is_shape:
                header, *given = lines
                yield Table(dict(zip(header, zip(*given, strict=True), strict=True)))
        return
    for shape in answer.split("\r\n\r\n"):
        heading, _, body = shape.strip("\r\n").partition("\r\n")
        names, cells = heading.split(","), body.replace("\r\n", ",").split(",")
        if body:
            yield Table({name: cells[nth :: len(names)] for nth, name in enumerate(names)})


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, TypeError, KeyError):
        return body.strip().split("\n", 1)[0][:300] or "no reason given"


def _reason(error: Exception) -> str:
    """Give the innermost reason: urllib3 wraps it in what it tried."""
    inner = getattr(error, "reason", None)
    return str(inner or error).rsplit(": ", 1)[-1][:300]
