"""Progress: that long work goes on, and how far it is, on a terminal and after a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import click

_EVERY_S = 1.0


@contextmanager
def progress(doing: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done for how long; give what takes how far it is, `3 of 10`, say."""
    far: list[str] = [""]
    done = Event()
    thread = Thread(target=_tell, args=(doing, far, done), daemon=True)
    if sys.stderr.isatty():
        thread.start()
    try:
        yield lambda text: far.__setitem__(0, text)
    finally:
        done.set()
        if thread.ident is not None:
            thread.join()


def _tell(doing: str, far: list[str], done: Event) -> None:
    """Write over one line of standard error each second, and wipe it out at the end."""
    begun, width = monotonic(), 0
    while not done.wait(_EVERY_S):
        line = " ".join(filter(None, (doing, far[0], f"({monotonic() - begun:.0f} s)")))
        click.echo("\r" + line.ljust(width), nl=False, err=True)
        width = max(width, len(line))
    if width:
        click.echo("\r" + " " * width + "\r", nl=False, err=True)
