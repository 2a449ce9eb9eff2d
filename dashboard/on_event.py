"""On event: hands an event to a command of the operator's, which may take so long and no longer."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from openfeature_triton.dashboard.watch_events import Event

_STANDARD_ERROR = 2
_log = logging.getLogger(__name__)


def hand_over(event: Event, command: Sequence[str], timeout_s: float) -> bool:
    """Run a command with the event as JSON on its standard input; says whether it went well.

    Its output goes to standard error. A failure is logged and never raised; whatever it started is
    killed with it when its time is over.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command
            command, stdin=subprocess.PIPE, stdout=_STANDARD_ERROR, start_new_session=True
        )
    except (OSError, ValueError) as error:
        _log.error("--on-event %s can't be run: %s", command[0], error)
        return False
    try:
        process.communicate(json.dumps(event.as_dict()).encode(), timeout_s)
    except subprocess.TimeoutExpired:
        _log.error("--on-event %s took longer than %g s and was killed", command[0], timeout_s)
    except OSError as error:
        _log.error("--on-event %s did not read its event: %s", command[0], error)
    finally:
        _kill(process)
    if process.returncode > 0:
        _log.error("--on-event %s ended with %d", command[0], process.returncode)
    return process.returncode == 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started, if they still run."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
