"""A real Triton on free loopback ports, its inference restricted to a credential."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openfeature_triton.dashboard.demo import supervisor
from openfeature_triton.dashboard.demo.errors import TritonStartError
from openfeature_triton.dashboard.demo.triton_installation import Installation

_READY_S = 60.0
_STOP_S = 10.0
_ATTEMPTS = 3
_SAID_MAX = 500


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the Python backend: its files by name, `model.py` among them, and its tensors.

    `inputs` and `outputs` map a tensor's name to its Triton data type; all have one free dimension.
    `parameters` reach the model in its `model_config`.
    """

    name: str
    files: Mapping[str, Path]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningTriton:
    """Where a started Triton listens: `host:port` for each protocol, and its process id."""

    http_url: str
    grpc_url: str
    supervisor_pid: int
    log: Path


@contextmanager
def running_triton(
    installation: Installation,
    models: tuple[Model, ...],
    credential: str,
    ports: tuple[int, int] | None = None,
) -> Iterator[RunningTriton]:
    """Start Triton with these models, wait until they are ready, and stop it in the end.

    `ports` are those for HTTP and gRPC, of an earlier one that is restarted; free ones if None.

    Inference without `credential` in the header `authorization` (gRPC:
    `triton-grpc-protocol-authorization`) is answered with 403. Raises TritonStartError.
    """
    with tempfile.TemporaryDirectory(prefix="oft-triton-") as folder:
        home = Path(folder)
        environment = _python_environment(home / "python")
        for model in models:
            _write_model(home / "models", model, environment)
        process, running = _start(installation, home, credential, ports)
        try:
            yield running
        finally:
            _stop(process)


def _start(
    installation: Installation, home: Path, credential: str, wished: tuple[int, int] | None
) -> tuple[subprocess.Popen[bytes], RunningTriton]:
    """Start on free ports, again with others where somebody took one meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        ports = list(wished or _free_ports(2))
        log = home / f"triton-{attempt}.log"
        process = _launch(installation, home, log, ports, credential)
        running = RunningTriton(f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", process.pid, log)
        try:
            _wait_until_ready(process, running)
        except BaseException as error:
            _stop(process)
            clash = "already in use" in log.read_text(errors="replace")
            if not (isinstance(error, TritonStartError) and clash and attempt < _ATTEMPTS):
                raise
        else:
            return process, running
    raise TritonStartError("Triton found no free port")


def _launch(
    installation: Installation, home: Path, log: Path, ports: list[int], credential: str
) -> subprocess.Popen[bytes]:
    prefix = f"oft-{os.getpid()}-{secrets.token_hex(4)}"
    arguments = {
        "model-repository": home / "models",
        "backend-directory": installation.backends,
        "backend-config": f"python,shm-region-prefix-name={prefix}",
        "http-address": "127.0.0.1",
        "http-port": ports[0],
        "http-restricted-api": f"inference:authorization={credential}",
        "grpc-address": "127.0.0.1",
        "grpc-port": ports[1],
        "grpc-restricted-protocol": f"inference:authorization={credential}",
        "allow-metrics": "false",
        "exit-timeout-secs": 2,
    }
    options = [f"--{name}={value}" for name, value in arguments.items()]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            [
                *(sys.executable, "-I", supervisor.__file__, prefix, str(home)),
                *(str(installation.program), *options),
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(installation),
            start_new_session=True,
        )


def _environment(installation: Installation) -> dict[str, str]:
    """The environment of this process, in which Triton finds its libraries first."""
    ours = {"LD_LIBRARY_PATH": installation.libraries, "LD_PRELOAD": installation.preload}
    lists = {name: [given, os.environ.get(name, "")] for name, given in ours.items() if given}
    joined = {name: os.pathsep.join(filter(None, each)) for name, each in lists.items()}
    return {**os.environ, **joined}


def _wait_until_ready(process: subprocess.Popen[bytes], running: RunningTriton) -> None:
    deadline = time.monotonic() + _READY_S
    while not _answers(f"http://{running.http_url}/v2/health/ready"):
        if process.poll() is not None or time.monotonic() > deadline:
            state = "ended" if process.poll() is not None else f"was not ready in {_READY_S:.0f} s"
            raise TritonStartError(f"Triton {state}. {_last_words(running.log)}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _last_words(log: Path) -> str:
    """Find the line of a log that says most: why a model failed, else the last error."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E") or "rror" in line]
    failed = [line for line in errors if "failed to load '" in line]
    said = (failed or errors or lines or ["It said nothing."])[-1]
    return said.partition("] ")[2][:_SAID_MAX] or said[:_SAID_MAX]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the supervisor's input, upon which it stops Triton; kill it where that takes long."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _python_environment(home: Path) -> Path:
    """Make the environment that the Python backend wants, seeing all that this process sees."""
    venv.create(home, symlinks=True, with_pip=False)
    packages = next((home / "lib").glob("python*/site-packages"))
    visible = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "visible.pth").write_text("\n".join(visible) + "\n")
    return home


def _write_model(repository: Path, model: Model, environment: Path) -> None:
    version = repository / model.name / "1"
    version.mkdir(parents=True)
    for name, source in model.files.items():
        shutil.copyfile(source, version / name)
    (repository / model.name / "config.pbtxt").write_text(_config(model, environment))


def _config(model: Model, environment: Path) -> str:
    """Write the model's configuration in protobuf's text format."""

    def tensors(kind: str, named: Mapping[str, str]) -> str:
        return "".join(
            f"{kind} [ {{ name: {_quoted(name)} data_type: TYPE_{type_} dims: [ -1 ] }} ]\n"
            for name, type_ in named.items()
        )

    parameters = {**model.parameters, "EXECUTION_ENV_PATH": str(environment)}
    return (
        f'name: {_quoted(model.name)}\nbackend: "python"\nmax_batch_size: 0\n'
        + tensors("input", model.inputs)
        + tensors("output", model.outputs)
        + "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
        + "".join(
            f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}\n"
            for key, value in parameters.items()
        )
    )


def _quoted(text: str) -> str:
    """Quote a string for protobuf's text format, which takes JSON's escapes but one."""
    return json.dumps(text, ensure_ascii=False)


def _free_ports(count: int) -> list[int]:
    """Find ports that are free now, each another."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
