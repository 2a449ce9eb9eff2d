"""Runs a server that must not outlive us: stops it when our standard input ends.

Started as a script: `python supervisor.py PREFIX FOLDER COMMAND…`. A pipe ends whatever becomes of
the process at its other end, SIGKILL included, so no Triton is ever orphaned. PREFIX names the
server's segments of shared memory, which are removed in the end; so is FOLDER, if nobody is left
to do it. Where this process itself is killed, the kernel kills the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

_GRACE_S = 5.0
_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(prefix: str, folder: str, command: list[str]) -> int:
    """Run the command until it ends or standard input does; gives its exit code."""
    parent = os.getppid()
    for ignored in _OURS:
        signal.signal(ignored, signal.SIG_IGN)
    prctl = ctypes.CDLL(None).prctl
    server = subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _prepare(prctl),  # noqa: PLW1509 - no thread has been started yet
    )
    threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    code = server.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # what it started
    for segment in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108 - where Triton keeps them
        segment.unlink(missing_ok=True)
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _prepare(prctl: ctypes._NamedFuncPointer) -> None:
    for restored in _OURS:
        signal.signal(restored, signal.SIG_DFL)
    prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _stop_at_end_of_input(server: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # not `sys.stdin`: its lock would be held at exit
        pass
    server.terminate()
    try:
        server.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
