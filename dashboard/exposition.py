"""Exposition: counters as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openfeature_triton.dashboard.processes import Process
from openfeature_triton.dashboard.store import Traffic

Sample = tuple[Mapping[str, str], float]

_PREFIX = "openfeature_triton"


def exposition(
    traffic: Iterable[Traffic],
    own: Mapping[str, float] | None = None,
    processes: Iterable[Process] = (),
) -> str:
    """Give exposures, requests, errors and the time last seen of each variant, in each phase.

    Args:
        traffic: what the store holds.
        own: counters of the dashboard itself, by name.
        processes: what recording processes said, the one last heard of first.
    """
    each = [(_labels(one), one) for one in traffic]
    parts = [
        _family("exposures_total", "counter", "Keys sent to a variant.",
                [(labels, one.exposures) for labels, one in each]),
        _family("requests_total", "counter", "Requests of a variant.",
                [(labels, one.requests) for labels, one in each]),
        _family("errors_total", "counter", "Failed requests of a variant.",
                [(labels, one.errors) for labels, one in each]),
        _family("last_seen_timestamp_seconds", "gauge", "When the newest window began.",
                [(labels, one.last_ns / 1e9) for labels, one in each]),
    ]  # fmt: skip
    parts += [
        _family(name, "counter", "Of this dashboard's process.", [({}, value)])
        for name, value in (own or {}).items()
    ]
    return "".join([*parts, *_of_processes(processes)])


def _of_processes(told: Iterable[Process]) -> list[str]:
    """Give what became of the outcomes of each process, and which services it leaves alone."""
    found: dict[tuple[str, str], Process] = {}
    for one in told:  # an earlier process of the same number would be the same series
        found.setdefault((one.host, one.pid), one)
    each = [({"host": one.host, "pid": one.pid}, one) for one in found.values()]
    return [
        _family("process_accepted_total", "counter", "Outcomes that a service handed over.",
                [(labels, one.accepted) for labels, one in each]),
        _family("process_delivered_total", "counter", "Outcomes that are in the store.",
                [(labels, one.delivered) for labels, one in each]),
        _family("process_spooled", "gauge", "Outcomes that wait to be delivered.",
                [(labels, one.spooled) for labels, one in each]),
        _family("process_dropped_total", "counter", "Outcomes that were lost, by reason.",
                [(labels | {"reason": reason}, count) for labels, one in each
                 for reason, count in one.dropped.items()]),
        _family("process_dead_lettered_total", "counter", "Outcomes that InfluxDB refused.",
                [(labels, one.dead_lettered) for labels, one in each]),
        _family("process_last_heard_timestamp_seconds", "gauge", "When the process last said so.",
                [(labels, one.seen.timestamp()) for labels, one in each]),
        _family("breaker_open", "gauge", "1 for a service that a process leaves alone.",
                [(labels | {"service": service_id}, 1.0) for labels, one in each
                 for service_id in one.breakers]),
    ]  # fmt: skip


def _labels(traffic: Traffic) -> dict[str, str]:
    return {
        "experiment": traffic.experiment,
        "phase": traffic.phase,
        "variant": traffic.variant,
        "task_type": traffic.task_type,
    }


def _family(name: str, kind: str, says: str, samples: Iterable[Sample]) -> str:
    full = f"{_PREFIX}_{name}"
    lines = [f"# HELP {full} {says}", f"# TYPE {full} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{full}{{{inside}}} {value:.15g}" if inside else f"{full} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
