"""Runs a server that must not outlive us: stops it when our standard input ends.

Started as a script: `python supervisor.py PREFIX COMMAND…`. A pipe ends whatever becomes of the
process at its other end, SIGKILL included, so no Triton is ever orphaned. PREFIX names the server's
segments of shared memory, which are removed in the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_GRACE_S = 5.0


def main(prefix: str, command: list[str]) -> int:
    """Run the command until it ends or standard input does; gives its exit code."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    server = subprocess.Popen(  # noqa: S603 - the command is ours
        command, stdin=subprocess.DEVNULL, start_new_session=True, restore_signals=True,
        preexec_fn=_default_signals,  # noqa: PLW1509 - no thread has been started yet
    )  # fmt: skip
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    code = server.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    for segment in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108 - where Triton keeps them
        segment.unlink(missing_ok=True)
    return code


def _default_signals() -> None:
    for restored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(restored, signal.SIG_DFL)


def _stop_at_end_of_input(server: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
