"""Retry: dead letters on their way again, through a spool like all else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from openfeature_triton.hooks.dead_letters import DeadLetter, DeadLetters
from openfeature_triton.hooks.outbox import Outbox
from openfeature_triton.hooks.request import Request
from openfeature_triton.hooks.sender import Sender
from openfeature_triton.hooks.settings import InfluxSettings, RecorderSettings


class Retried(NamedTuple):
    """How many points were tried, and what became of them; `error` is the last answer's."""

    tried: int
    delivered: int
    refused: int
    waiting: int
    error: str


def retry_letters(
    letters: Sequence[DeadLetter], settings: RecorderSettings, influx: InfluxSettings
) -> Retried:
    """Send dead letters once; those refused again are dead letters again.

    sqlite3.Error or OSError if the spool folder can't be used.
    """
    if not letters:
        return Retried(0, 0, 0, 0, "")
    outbox = Outbox(settings.spool, settings.spool_max_bytes, influx.doubt_s)
    outbox.put_rows(
        [
            (each.series, each.time_ns, each.fields, each.raw, each.outcomes, each.at_s)
            for each in letters
        ]
    )
    DeadLetters(outbox.folder).discard(letters)
    sender = Sender(outbox, settings, influx, lambda _: None)
    sender.ask(Request(influx.deadline_s, stop=True))
    counts = sender.counts
    return Retried(
        tried=len(letters),
        delivered=counts["points_delivered"] + counts["raw_delivered"],
        refused=counts["dead_letters"],
        waiting=sender.backlog.points,
        error=sender.last_error,
    )
