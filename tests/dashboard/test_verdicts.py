"""Verdicts of a list, remembered and worked out beside the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from openfeature_triton.dashboard import SqlStore
from openfeature_triton.dashboard.definitions import define, read_flags
from openfeature_triton.dashboard.statistics import Verdict
from openfeature_triton.dashboard.store import PHASES, read_traffic
from openfeature_triton.dashboard.verdicts import FRESH_S, OLD_S, Question, Verdicts
from openfeature_triton.flagd_config import life_cycle
from openfeature_triton.flagd_config.dates import Dates
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.stores import one


@dataclass
class Board:
    """A world whose verdicts are asked for at a time that the test sets."""

    world: World
    now_s: float = 0.0
    now: datetime = NOW
    verdicts: Verdicts = field(init=False)

    def __post_init__(self) -> None:
        self.store = SqlStore(self.world.url)
        self.verdicts = Verdicts(self.store, lambda: self.now_s)

    def record(self) -> None:
        """Record more requests, so that the verdict's numbers change."""
        weights = {"old": 90, "new": 10}
        self.world.record("e", [Outcome("old", 1.0), Outcome("new", 1.0)] * 50, weights=weights)

    def verdict(self, key: str = "e") -> Verdict | None:
        """Ask as the list does."""
        flags, phases = read_flags(str(self.world.flags)), one(self.store, PHASES, key)
        definition = define(key, flags, phases, self.now)
        question = Question(definition, read_traffic(self.store, key), phases, self.now)
        return self.verdicts.of([question])[0]


@pytest.fixture
def board(world: World) -> Board:
    """A board of one running experiment with some traffic."""
    world.write_flags(e="ENABLED")
    made = Board(world)
    made.record()
    return made


def test_a_verdict_stays_while_its_numbers_do(board: Board) -> None:
    """However much later it is asked for, it is not worked out again."""
    first = board.verdict()
    assert first is not None
    board.now_s = 10 * OLD_S
    assert board.verdict() is first


def test_a_changed_one_is_shown_soon_and_no_page_waits_for_it(board: Board) -> None:
    """Within seconds the old one is shown; after them the new one follows by itself."""
    first = board.verdict()
    board.record()
    assert board.verdict() is first
    board.now_s = FRESH_S
    assert board.verdict() is first
    deadline_s = time.monotonic() + 30
    while board.verdict() is first and time.monotonic() < deadline_s:
        time.sleep(0.01)
    second = board.verdict()
    assert second is not None
    assert second is not first


def test_nobody_reads_a_verdict_of_long_ago(board: Board) -> None:
    """Where nobody looked for minutes, the page waits for the new one."""
    first = board.verdict()
    board.record()
    board.now_s = OLD_S
    assert board.verdict() is not first


def test_a_store_that_goes_away_costs_no_verdict_for_ever(board: Board) -> None:
    """What was known stays, and is worked out again when the store is back."""
    first = board.verdict()
    board.record()
    traffic, phases = read_traffic(board.store, "e"), one(board.store, PHASES, "e")
    definition = define("e", read_flags(str(board.world.flags)), phases, NOW)
    question = Question(definition, traffic, phases, NOW)
    file = board.world.folder / "store.db"
    away = file.rename(file.with_name("away.db"))
    board.now_s = FRESH_S
    assert board.verdicts.of([question]) == [first]
    time.sleep(0.2)
    assert board.verdicts.of([question]) == [first]
    away.rename(file)
    deadline_s = time.monotonic() + 30
    while board.verdict() is first and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert board.verdict() is not first


def test_a_verdict_does_not_outlive_the_end_of_the_experiment(board: Board) -> None:
    """At the date that ends it, what was to be kept running is not, though no number changed."""
    life_cycle.schedule(board.world.flags, "e", Dates(end=int(NOW.timestamp()) + 1), "")
    first = board.verdict()
    board.now_s = OLD_S
    board.now = NOW + timedelta(seconds=1)
    assert board.verdict() is not first
