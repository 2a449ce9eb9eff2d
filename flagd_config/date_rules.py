"""Rules about an experiment's dates: in its metadata, which people read, and in its targeting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from openfeature_triton.flagd_config.dates import (
    Dates,
    is_timestamp,
    iso,
    read_date,
    read_seconds,
    take_dates,
)
from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.targeting import operations

Steps = tuple[str | int, ...]

_COMPARE = (">=", ">", "<", "<=", "==", "===", "!=", "!==")
_MILLISECONDS_FROM = 10**11


def check_dates(flag: Mapping[str, Any], steps: Steps, now: datetime) -> Iterator[Draft]:
    """Find dates that are none, impossible, over, or not the same in metadata and targeting."""
    said, where = flag["metadata"], (*steps, "metadata")
    obeyed, _ = take_dates(flag.get("targeting"))
    yield from _check_texts(said, where)
    yield from _check_unit(flag.get("targeting"), (*steps, "targeting"))
    start, end = read_date(said.get("start")), read_date(said.get("end"))
    if start and end and start >= end:
        yield Draft(
            "dates",
            (*where, "start"),
            f"the start, {said['start']}, is not before the end, {said['end']}",
            "correct one of the two",
        )
        return
    if not obeyed.are_possible:
        yield Draft(
            "dates",
            (*steps, "targeting"),
            f"no moment is {obeyed}, so nobody is ever in the experiment",
            "correct one of the two",
        )
        return
    if flag["state"] == "ENABLED":
        yield from _check_over(said, obeyed, steps, now)
    yield from _check_same(said, obeyed, steps)


def _check_texts(said: Mapping[str, Any], where: Steps) -> Iterator[Draft]:
    for key in ("start", "end"):
        if key in said and read_date(said[key]) is None:
            yield Draft(
                "dates",
                (*where, key),
                f"{shown(said[key])} is no date of ISO 8601",
                "write e.g. 2026-11-24T09:00:00Z",
            )


def _check_over(
    said: Mapping[str, Any], obeyed: Dates, steps: Steps, now: datetime
) -> Iterator[Draft]:
    """Find an end that has passed, of the metadata or else of the targeting."""
    written = read_date(said.get("end"))
    if written is not None and written <= now:
        yield _ended((*steps, "metadata", "end"), str(said["end"]))
    elif written is None and obeyed.end is not None and obeyed.end <= now.timestamp():
        yield _ended((*steps, "targeting"), iso(obeyed.end))


def _check_unit(targeting: Any, where: Steps) -> Iterator[Draft]:
    for found in operations(targeting):
        if found.name in _COMPARE and any(map(is_timestamp, found.arguments)):
            for index, moment in enumerate(found.arguments):
                if isinstance(moment, (int, float)) and moment >= _MILLISECONDS_FROM:
                    yield Draft(
                        "dates",
                        (*where, *found.steps, index),
                        f"{moment} is no moment of flagd's, which counts seconds since 1970",
                        f"milliseconds? Write {int(moment // 1000)}",
                    )


def _check_same(said: Mapping[str, Any], dates: Dates, steps: Steps) -> Iterator[Draft]:
    """Find a date that people read and no evaluator obeys, or obeys otherwise."""
    for key, obeyed in (("start", dates.start), ("end", dates.end)):
        wanted = read_seconds(said.get(key))
        if wanted is None or wanted == obeyed:
            continue
        instead = "says none" if obeyed is None else f"says {iso(obeyed)}"
        yield Draft(
            "dates-differ",
            (*steps, "metadata", key),
            f"the {key} is {said[key]}, and the targeting, which evaluators obey, {instead}",
            f"set both: openfeature-triton experiment schedule {steps[-1]} --{key} {iso(wanted)}",
        )


def _ended(where: Steps, end: str) -> Draft:
    return Draft(
        "ended",
        where,
        f"the end, {end}, has passed, and the experiment is ENABLED",
        "conclude the experiment, or give it a later end",
    )
