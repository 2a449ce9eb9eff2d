"""Doctor: runs the checks that all folders offer, side by side, none longer than it may take.

A check is an offer `check.<name>`. It gives lines `(state, text, advice)`: the state is one of
`STATES`, the text says what was seen, the advice what to do, empty where nothing is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from openfeature_triton.flagd_config.errors import one_line
from openfeature_triton.flagd_config.offers import names_offered, offered

FINE, WARNING, BROKEN = STATES = ("fine", "warning", "broken")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a check saw."""

    state: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check saw, and how long it took."""

    name: str
    lines: tuple[Line, ...] = field(default=())
    took_ms: float = 0.0

    @property
    def state(self) -> str:
        """The worst that it saw."""
        return max((each.state for each in self.lines), key=STATES.index, default=FINE)

    def as_dict(self) -> dict[str, Any]:
        """Give it as values that JSON can hold."""
        return {"check": self.name, "state": self.state, **asdict(self), "took_ms": self.took_ms}


def examine(timeout_s: float, only: Sequence[str] = ()) -> tuple[Checked, ...]:
    """Run the checks of these names, or all; gives them by name.

    One that takes longer than `timeout_s` is said to hang, and left to itself: its thread ends with
    the process.
    """
    names = [each for each in names_offered("check") if not only or each in only]
    answers: SimpleQueue[Checked] = SimpleQueue()
    for name in names:
        threading.Thread(
            target=_run, args=(name, answers), name=f"check-{name}", daemon=True
        ).start()
    until_s, found = time.monotonic() + timeout_s, dict[str, Checked]()
    while len(found) < len(names):
        try:
            checked = answers.get(timeout=max(until_s - time.monotonic(), 0.001))
        except Empty:
            break
        found[checked.name] = checked
    return tuple(found.get(name) or _hangs(name, timeout_s) for name in names)


def _run(name: str, answers: SimpleQueue[Checked]) -> None:
    began_s = time.monotonic()
    try:
        lines = tuple(_read(offered(f"check.{name}")()))
    except Exception as error:  # noqa: BLE001 - one check must not hide the others
        _log.debug("check %s failed", name, exc_info=True)
        lines = (_failure(error),)
    answers.put(Checked(name, lines, round((time.monotonic() - began_s) * 1000, 1)))


def _read(lines: Iterable[tuple[str, str, str]]) -> Iterable[Line]:
    return (Line(state, one_line(text), one_line(advice)) for state, text, advice in lines)


def _failure(error: Exception) -> Line:
    """Name what went wrong, but no message that nobody has looked at: it may hold anything."""
    from pydantic import ValidationError  # noqa: PLC0415 - slow to import

    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, wrong["loc"])).upper()
        return Line(BROKEN, f"the setting {name} is no good: {wrong['msg']}", "set it right")
    if isinstance(error, LookupError | ImportError):
        advice = "reinstall: pip install --force-reinstall openfeature-triton"
        return Line(BROKEN, f"the check can't be had ({type(error).__name__})", advice)
    advice = "set OFT_DEBUG=1 and run it again, for the traceback"
    return Line(BROKEN, f"the check itself failed ({type(error).__name__})", advice)


def _hangs(name: str, timeout_s: float) -> Checked:
    line = Line(
        BROKEN,
        f"no answer within {timeout_s:g} s",
        "what it asks is overloaded or cut off; or give a longer --timeout",
    )
    return Checked(name, (line,), timeout_s * 1000)
