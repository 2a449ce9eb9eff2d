"""The collector: still while a large document is made, and always set going again."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from openfeature_triton.provider.collector import _Collector


@pytest.fixture
def collector() -> Iterator[_Collector]:
    """One of its own; the process's real one collects again afterwards, whatever happens."""
    yield _Collector()
    gc.enable()


def test_nothing_is_collected_meanwhile_and_all_is_as_before_afterwards(
    collector: _Collector,
) -> None:
    """Also where the work fails, and what lived through it is no more young."""
    made: list[list[object]] = []

    def work() -> None:
        with collector.still():
            assert not gc.isenabled()
            made.append([made])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert gc.isenabled()
    assert any(each is made[0] for each in gc.get_objects(generation=2))


def test_the_last_of_several_holders_sets_it_going(collector: _Collector) -> None:
    """Two providers may read at once."""
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with collector.still():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(20)
    with collector.still():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_a_collector_that_somebody_switched_off_stays_off(collector: _Collector) -> None:
    """It is not ours to switch on."""
    gc.disable()
    with collector.still():
        pass
    assert not gc.isenabled()


def test_what_somebody_froze_stays_frozen(collector: _Collector) -> None:
    """A server freezes before it forks, so that its workers share what it has loaded."""
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with collector.still():
            pass
        assert gc.get_freeze_count() == pytest.approx(frozen, abs=1_000)
    finally:
        gc.unfreeze()


def test_it_is_left_to_itself_for_a_while(collector: _Collector) -> None:
    """One large document right after the other can't keep it from ever collecting."""
    with collector.still():
        assert not gc.isenabled()
        threading.Event().wait(0.05)
    with collector.still():
        assert gc.isenabled()


def test_a_child_forked_meanwhile_collects(collector: _Collector) -> None:
    """It has not the thread that holds it still."""
    with collector.still():
        child = os.fork()
        if child == 0:  # pragma: no cover - the child's lines are not measured
            os._exit(0 if gc.isenabled() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gc.isenabled()
