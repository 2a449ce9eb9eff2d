from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from openfeature_triton.dashboard import SqlStore
from openfeature_triton.dashboard.remembering import (
    CLOSED_S,
    FRESH_S,
    RECENT_S,
    RememberingStore,
)
from openfeature_triton.dashboard.store import (
    CLUSTERS,
    COUNTS,
    LATENCIES,
    PHASES,
    SEEN,
    TAGS,
    Query,
    read_traffic,
)
from openfeature_triton.hooks import MissingStoreError
from tests.dashboard.conftest import NOW, Outcome, World
from tests.dashboard.stores import one


def test_what_is_remembered_is_what_was_read(world: World) -> None:
    """By day, by hour, of any range: the same as the store itself gives, in the same order."""
    for days_ago in (0, 1, 2, 5):
        world.record("e", [Outcome("old", 1.0), Outcome("new", 2.0)], days_ago=days_ago)
    store, day_ns = SqlStore(world.url), 86_400 * 10**9
    remembering = RememberingStore(store, lambda: NOW)
    today_ns = int(NOW.timestamp()) * 10**9 // day_ns * day_ns
    ranges = [
        (start, end)
        for start in (None, today_ns - 3 * day_ns, today_ns, today_ns + 5 * 3600 * 10**9)
        for end in (None, today_ns - 2 * day_ns, today_ns + day_ns, today_ns + 8 * 3600 * 10**9)
    ]
    for _ in range(2):
        assert one(remembering, PHASES, "e") == one(store, PHASES, "e")
        for start, end in ranges:
            stretch = {"start_ns": start, "end_ns": end}
            assert one(remembering, SEEN, None, **stretch) == one(store, SEEN, None, **stretch)
            for what in (COUNTS, LATENCIES, CLUSTERS):
                for step, by in (("day", TAGS), ("hour", ("variant",)), ("all", ())):
                    wanted = one(store, what, "e", step=step, by=by, **stretch)
                    assert one(remembering, what, "e", step=step, by=by, **stretch) == wanted


def test_what_is_still_written_is_read_again_soon_and_the_rest_later(world: World) -> None:
    """New outcomes show within seconds, those of this morning in a minute, late ones in ten."""
    now_s = 0.0
    world.record("e", [Outcome("old", 1.0)], days_ago=5)
    store = RememberingStore(SqlStore(world.url), lambda: NOW, lambda: now_s)

    def requests() -> float:
        return float(sum(each.fields["requests"] for each in one(store, COUNTS, "e")))

    assert requests() == 1
    world.record("e", [Outcome("old", 1.0)], minutes_ago=10)
    world.record("e", [Outcome("old", 1.0)], minutes_ago=180)
    world.record("e", [Outcome("old", 1.0)], days_ago=5)
    assert requests() == 1
    for later_s, found in ((FRESH_S, 2), (RECENT_S, 3), (CLOSED_S, 4)):
        now_s = later_s
        assert requests() == found


def test_who_asks_meanwhile_waits_for_the_same_answer(world: World) -> None:
    """Eight pages at once read the store once; an error reaches all who waited for it."""
    world.record("e", [Outcome("old", 1.0)], weights={"old": 1})
    asked: list[str | None] = []
    gate = threading.Event()

    class Slow(SqlStore):
        def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
            asked.extend(each.experiment for each in queries)
            assert gate.wait(30)
            if queries[0].experiment == "broken":
                raise MissingStoreError("store", "it is away", "wait")
            return super().read(*queries)

    store = RememberingStore(Slow(world.url), lambda: NOW)
    with ThreadPoolExecutor(16) as threads:
        fine = [threads.submit(one, store, PHASES, "e") for _ in range(8)]
        broken = [threads.submit(one, store, PHASES, "broken") for _ in range(8)]
        while len(asked) < 2:
            time.sleep(0.01)
        gate.set()
        assert {each.result() for each in fine} == {one(SqlStore(world.url), PHASES, "e")}
        assert all(isinstance(each.exception(), MissingStoreError) for each in broken)
    assert len(one(store, PHASES, "e")) == 1
    assert asked.count("e") == 1


def test_the_first_traffic_shows_within_seconds(world: World) -> None:
    """When a variant was seen is remembered for a minute, but not that nothing was."""
    now_s = 0.0
    world.record("other", [Outcome("old", 1.0)])
    store = RememberingStore(SqlStore(world.url), lambda: NOW, lambda: now_s)
    assert one(store, SEEN, "e") == ()
    world.record("e", [Outcome("old", 1.0)])
    assert one(store, SEEN, "e") == ()
    now_s = FRESH_S
    assert len(one(store, SEEN, "e")) == 1
    world.record("e", [Outcome("new", 1.0)])
    now_s = 2 * FRESH_S
    assert len(one(store, SEEN, "e")) == 1
    now_s = FRESH_S + RECENT_S
    assert len(one(store, SEEN, "e")) == 2


def test_an_interrupt_between_two_answers_reaches_who_waits_for_the_later(world: World) -> None:
    """What was read before it stays; nobody is left waiting."""
    world.record("e", [Outcome("old", 1.0)])

    class Stopped(SqlStore):
        def read(self, *queries: Query) -> tuple[tuple[Any, ...], ...]:
            return Interrupted(super().read(*queries))

    class Interrupted(tuple[tuple[Any, ...], ...]):
        def __iter__(self) -> Iterator[tuple[Any, ...]]:
            yield self[0]
            raise KeyboardInterrupt

    store = RememberingStore(Stopped(world.url), lambda: NOW)
    with pytest.raises(KeyboardInterrupt):
        store.read(Query(PHASES, "e"), Query(PHASES, "f"))
    with pytest.raises(KeyboardInterrupt):
        one(store, PHASES, "f")


def test_what_is_remembered_is_bounded(world: World) -> None:
    """Whoever asks for one range after another does not fill the memory."""
    world.record("e", [Outcome("old", 1.0)])
    store = RememberingStore(SqlStore(world.url), lambda: NOW, max_kept=20)
    for nth in range(100):
        one(store, SEEN, f"e{nth}")
    assert store.size() <= 20


def test_an_error_is_not_remembered(world: World) -> None:
    """A store that comes is read at once."""
    store = RememberingStore(SqlStore(world.url), lambda: NOW)
    with pytest.raises(MissingStoreError):
        read_traffic(store)
    world.record("e", [Outcome("old", 1.0)])
    assert len(read_traffic(store)) == 1
