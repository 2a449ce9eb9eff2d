"""Builds InfluxDB 2.7's server from its Go module, once, into the user's cache folder.

It is in no package index. Run by hand: `python -m tests.influxd_build`, which prints its path.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "2.7.12"
COMMAND = "github.com/influxdata/influxdb/v2/cmd/influxd"
PKG_CONFIG = "github.com/influxdata/pkg-config@v0.2.14"

_GO_MOD = f"""module influxd

go 1.24

require github.com/influxdata/influxdb/v2 v{VERSION}

replace github.com/nats-io/nats-streaming-server v0.11.2 => \
github.com/influxdata/nats-streaming-server v0.11.3-0.20201112040610-c277f7560803
"""
_TOOLS_GO = f"""//go:build tools

package tools

import _ "{COMMAND}"
"""
# Warnings of today's compiler are errors to crates that were written for an older one.
_RUSTC_WRAPPER = """#!/bin/sh
case " $* " in
*" --cap-lints"*) exec "$@" ;;
*) exec "$@" --cap-lints=warn ;;
esac
"""

_TOOLS = ("go", "cargo", "gcc", "pkg-config")

Say = Callable[[str], None]


class NoInfluxdError(Exception):
    """There is no influxd, and none can be built; the message says what to do."""


def find_influxd(say: Say) -> Path:
    """Give influxd's path: `OFT_TEST_INFLUXD`, the PATH's, or one that is built if it must be."""
    given = os.environ.get("OFT_TEST_INFLUXD") or shutil.which("influxd")
    if given:
        return Path(given)
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = Path(root) / "openfeature-triton" / f"influxd-{VERSION}"
    built = home / "influxd"
    if not built.is_file():
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home / "lock"):
            if not built.is_file():
                _build(home, say).replace(built)
    return built


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process build at a time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(home: Path, say: Say) -> Path:
    """Build in a folder of its own; give the finished program's path."""
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    if missing:
        raise NoInfluxdError(
            f"no influxd is on the PATH, and none can be built without {' and '.join(missing)}; "
            f"install InfluxDB {VERSION}, or Go (1.24 or newer), Rust, gcc and pkg-config"
        )
    source = home / "source"
    source.mkdir(exist_ok=True)
    (source / "go.mod").write_text(_GO_MOD)
    (source / "tools.go").write_text(_TOOLS_GO)
    wrapper = source / "rustc-wrapper"
    wrapper.write_text(_RUSTC_WRAPPER)
    wrapper.chmod(0o755)
    env = _environment(source, wrapper)
    say(f"building InfluxDB {VERSION} from its Go module, once, into {home} (4 to 8 minutes)")
    _run(["go", "install", PKG_CONFIG], {**os.environ, "GOBIN": str(source)}, source, say)
    program = source / "influxd"
    build = ["go", "build", "-v", "-tags", "sqlite_foreign_keys sqlite_json"]
    _run([*build, "-o", str(program), COMMAND], env, source, say)
    return program


def _environment(source: Path, wrapper: Path) -> dict[str, str]:
    env = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "PKG_CONFIG": str(source / "pkg-config"),
        "RUSTC_WRAPPER": str(wrapper),
    }
    toolchain = _rust_toolchain()
    return env | {"RUSTUP_TOOLCHAIN": toolchain} if toolchain else env


def _rust_toolchain() -> str:
    """Give the newest stable toolchain that rustup has: libflux's own pin may not be there."""
    if shutil.which("rustup") is None:
        return ""
    listed = subprocess.run(
        ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
    )
    names = [line.split()[0] for line in listed.stdout.splitlines() if line[:1].isdigit()]
    stable = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("stable")]
    return max(names, key=_version, default="") or next(iter(stable), "")


def _version(toolchain: str) -> tuple[int, ...]:
    return tuple(
        int(part) for part in toolchain.split("-", maxsplit=1)[0].split(".") if part.isdigit()
    )


def _run(command: list[str], env: dict[str, str], folder: Path, say: Say) -> None:
    """Run a step, with a line each 20 s that says how far it is."""
    log = folder / "build.log"
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)
        try:
            while _still_runs(process, 20.0):
                packages = log.read_text(errors="replace").count("\n")
                say(f"… {time.monotonic() - began:.0f} s, {packages} lines of {log.name}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        lines = log.read_text(errors="replace").splitlines()
        tail = "\n".join([line for line in lines if " " in line][-15:])  # not the names of packages
        raise NoInfluxdError(f"{' '.join(command[:2])} failed, see {log}:\n{tail}")


def _still_runs(process: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_influxd(_say)}\n")
    except NoInfluxdError as problem:
        sys.exit(f"error: {problem}")
