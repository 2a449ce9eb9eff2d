"""Queues by key."""

from __future__ import annotations

from itertools import pairwise

import pytest

from openfeature_triton.hooks import inbox as inbox_module
from openfeature_triton.hooks.inbox import BASE_ROOM, GRANT, Inbox, Things, new_floats
from openfeature_triton.hooks.series import OTHER, Evaluation, fit_evaluation


def small_inbox(max_keys: int = 2, max_pending: int = 1000) -> Inbox[Evaluation, int]:
    """Make an inbox with tight bounds."""
    collapses = (
        lambda key: key._replace(variant=OTHER),
        lambda _: Evaluation(OTHER, OTHER, OTHER, OTHER),
    )
    return Inbox(Things, fit_evaluation, collapses, max_keys, max_pending)


def key(experiment: str, variant: str = "v") -> Evaluation:
    """Make a key."""
    return Evaluation(experiment, variant, "SPLIT", "")


def test_a_key_has_one_queue() -> None:
    """Opening a key again, or finding it, gives the same queue."""
    inbox = small_inbox()
    assert inbox.open(key("a")) is inbox.open(key("a")) is inbox.queues[key("a")]


def test_what_is_drained_has_its_fitted_key() -> None:
    """Two spellings have two queues and one fitted key; pieces are at most as long as asked."""
    inbox = small_inbox()
    for number in range(5):
        inbox.open(key("a")).append(number)
    inbox.open(key("x" * 99)).append(7)
    assert list(inbox.drain(2)) == [
        (key("a"), [0, 1]),
        (key("a"), [2, 3]),
        (key("a"), [4]),
        (key(OTHER), [7]),
    ]
    assert inbox.pending == 0


def test_floats_are_taken_out_in_the_order_they_came() -> None:
    """From the front, as many as are asked for, and no more than there are."""
    queue = new_floats()
    for number in range(5):
        queue.append(number / 2)
    taken = [list(queue.take(most)) for most in (2, 2, 2, 2)]
    assert taken == [[0.0, 0.5], [1.0, 1.5], [2.0], []]
    assert len(queue) == 0


def test_keys_beyond_the_bound_are_counted_under_coarser_ones() -> None:
    """First the variant is given up, then all, and each time it is counted."""
    inbox = small_inbox(max_keys=2)
    for number in range(20):
        inbox.open(key(f"e{number}")).append(number)
    drained = {fitted: len(waiting) for fitted, waiting in inbox.drain(100)}
    assert drained == {
        key("e0"): 1,
        key("e1"): 1,
        key("e2", OTHER): 1,
        key("e3", OTHER): 1,
        Evaluation(OTHER, OTHER, OTHER, OTHER): 16,
    }
    assert inbox.collapsed == 18


def test_a_queue_grows_within_one_budget() -> None:
    """A full queue is granted room until all of it is given, and draining gives it back."""
    inbox = small_inbox(max_pending=1000)
    queue = inbox.open(key("a"))
    assert inbox.grant(queue)
    assert queue.room == BASE_ROOM + 1000
    assert not inbox.grant(inbox.open(key("b")))
    assert list(inbox.drain(10)) == []
    assert inbox.grant(inbox.open(key("b")))


def test_callers_let_others_run_where_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop that always has work would keep who drains from the interpreter."""
    breaths: list[int] = []
    inbox = small_inbox(max_pending=8 * GRANT)
    queue = inbox.open(key("a"))
    monkeypatch.setattr(inbox_module, "breathe", lambda: breaths.append(queue.room))
    while inbox.grant(queue):
        pass
    assert breaths[0] == BASE_ROOM + 2 * GRANT
    assert [later - sooner for sooner, later in pairwise(breaths)] == [1024] * (6 * 16 - 1)
    assert list(inbox.drain(10)) == []
    assert inbox.grant(queue)
    assert len(breaths) == 6 * 16


def test_idle_keys_make_room_for_new_ones() -> None:
    """A key that nobody used between two looks is forgotten; a busy one is kept."""
    inbox = small_inbox(max_keys=2)
    inbox.open(key("busy"))
    inbox.open(key("idle"))
    for _ in range(3):
        inbox.queues[key("busy")].append(1)
        list(inbox.drain(10))
        inbox.retire()
    assert set(inbox.queues) == {key("busy")}
    inbox.open(key("new"))
    assert inbox.collapsed == 0


def test_what_arrives_in_a_queue_that_is_being_forgotten_is_still_drained() -> None:
    """A caller may have looked its queue up just before it was forgotten."""
    inbox = small_inbox()
    queue = inbox.open(key("a"))
    for _ in range(2):
        list(inbox.drain(10))
        inbox.retire()
    assert key("a") not in inbox.queues
    queue.append(5)
    assert list(inbox.drain(10)) == [(key("a"), [5])]
