from __future__ import annotations

import pytest

from openfeature_triton.dashboard import SqlStore
from openfeature_triton.dashboard.remembering import CLOSED_S, FRESH_S, RememberingStore
from openfeature_triton.hooks import MissingStoreError
from tests.dashboard.conftest import NOW, Outcome, World


def test_what_is_remembered_is_what_was_read(world: World) -> None:
    """By day, by hour, of any range: the same as the store itself gives, in the same order."""
    for days_ago in (0, 1, 2, 5):
        world.record("e", [Outcome("old", 1.0), Outcome("new", 2.0)], days_ago=days_ago)
    store, day_ns = SqlStore(world.url), 86_400 * 10**9
    remembering = RememberingStore(store, lambda: NOW)
    today_ns = int(NOW.timestamp()) * 10**9 // day_ns * day_ns
    for _ in range(2):
        assert remembering.traffic("e") == store.traffic("e")
        assert remembering.phases("e") == store.phases("e")
        for start in (None, today_ns - 3 * day_ns, today_ns):
            for end in (None, today_ns - 2 * day_ns, today_ns + day_ns):
                wanted = set(map(repr, store.totals("e", start_ns=start, end_ns=end)))
                found = remembering.totals("e", start_ns=start, end_ns=end)
                assert set(map(repr, found)) == wanted


def test_today_is_read_again_soon_and_closed_days_later(world: World) -> None:
    """New outcomes show within seconds, late ones of closed days within minutes."""
    now_s = 0.0
    world.record("e", [Outcome("old", 1.0)], days_ago=5)
    store = RememberingStore(SqlStore(world.url), lambda: NOW, lambda: now_s)

    def requests() -> float:
        return sum(each.fields["requests"] for each in store.totals("e"))

    assert requests() == 1
    world.record("e", [Outcome("old", 1.0)])
    world.record("e", [Outcome("old", 1.0)], days_ago=5)
    assert requests() == 1
    now_s = FRESH_S
    assert requests() == 2
    now_s = CLOSED_S
    assert requests() == 3


def test_an_error_is_not_remembered(world: World) -> None:
    """A store that comes is read at once."""
    store = RememberingStore(SqlStore(world.url), lambda: NOW)
    with pytest.raises(MissingStoreError):
        store.traffic()
    world.record("e", [Outcome("old", 1.0)])
    assert len(store.traffic()) == 1
