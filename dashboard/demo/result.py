"""Result: what the store holds in the end, as a table and as JSON."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from openfeature_triton.dashboard import summary
from openfeature_triton.dashboard.demo.folder import Folder
from openfeature_triton.dashboard.demo.model_server import ModelServer
from openfeature_triton.dashboard.demo.recognisers import TASK_TYPE
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import counts_and_latencies
from openfeature_triton.flagd_config import Experiment, read_document

_HEADER = ("variant", "service", "requests", "errors", "mean ms", "p95 ms", "word accuracy")


@dataclass(frozen=True, slots=True)
class VariantResult:
    """The numbers of one variant; None where nothing was recorded for one."""

    variant: str
    service: str
    requests: int
    errors: int
    errors_by_class: dict[str, int]
    mean_ms: float | None
    p95_ms: float | None
    word_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the demo."""

    experiment: str
    server: ModelServer
    variants: tuple[VariantResult, ...]
    elapsed_s: float
    dashboard: str | None
    folder: str | None

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)

    def as_table(self) -> str:
        """Give a row per variant, and which server answered."""
        rows = [_HEADER, *map(_row, self.variants)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index < 2 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        title = f"{self.experiment} on {self.server.name}, {self.elapsed_s:.0f} s"
        return "\n".join((title, "", *lines))


def read_result(folder: Folder, server: ModelServer, elapsed_s: float, url: str | None) -> Result:
    """Read the numbers of the demo's experiment from its store."""
    (experiment,) = read_document(folder.flags).of_task(TASK_TYPE)
    return Result(
        experiment=experiment.key,
        server=server,
        variants=_variants(folder, experiment),
        elapsed_s=round(elapsed_s, 1),
        dashboard=url,
        folder=str(folder.path) if folder.is_kept else None,
    )


def _variants(folder: Folder, experiment: Experiment) -> tuple[VariantResult, ...]:
    with closing(SqlStore(folder.store)) as store:
        found = summary.group(
            counts_and_latencies(store, experiment.key), lambda each: each.variant
        )
    return tuple(
        _variant(variant, service, summary.numbers(found.get(variant, ())))
        for variant, service in experiment.services.items()
    )


def _variant(variant: str, service: str, numbers: summary.Numbers) -> VariantResult:
    accuracy = numbers.metrics.get("word_accuracy")
    return VariantResult(
        variant=variant,
        service=service,
        requests=numbers.requests,
        errors=numbers.errors,
        errors_by_class=dict(numbers.errors_by_class),
        mean_ms=numbers.mean_ms,
        p95_ms=numbers.p95_ms,
        word_accuracy=accuracy.mean if accuracy else None,
    )


def _row(result: VariantResult) -> tuple[str, ...]:
    return (
        result.variant,
        result.service,
        f"{result.requests:,}",
        f"{result.errors:,}",
        "–" if result.mean_ms is None else f"{result.mean_ms:,.0f}",
        "–" if result.p95_ms is None else f"{result.p95_ms:,.0f}",
        "–" if result.word_accuracy is None else f"{result.word_accuracy:.1%}",
    )
