"""The folders, `setup.cfg`, and what a built wheel holds say the same."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("flagd_config", "provider", "hooks", "dashboard")
ALLOWED = {
    *FOLDERS,
    *("tests", "setup.cfg", "README.md", "pyproject.toml", "LICENSE", "CHANGELOG.md", "typings"),
}


@pytest.fixture(scope="module")
def config() -> configparser.ConfigParser:
    """`setup.cfg`, as setuptools reads it."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from what git tracks, away from the working tree."""
    source = tmp_path_factory.mktemp("source")
    for name in _tracked():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink() or not (ROOT / name).exists():
            continue
        target.write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def _folders_with_code() -> set[str]:
    """Every folder below ours that holds a module: `dashboard/demo` becomes `dashboard.demo`."""
    found = {
        str(Path(name).parent).replace("/", ".")
        for name in _tracked()
        if name.endswith("/__init__.py") and name.split("/")[0] in FOLDERS
    }
    return {f"openfeature_triton.{name}" for name in found}


def test_every_folder_is_a_package_in_setup_cfg(config: configparser.ConfigParser) -> None:
    """`packages` and `package_dir`, written by hand, name just the folders there are."""
    packages = set(config["options"]["packages"].split())
    places = dict(
        line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines()
    )
    assert packages == _folders_with_code()
    assert {place.replace("/", ".") for place in places.values()} == {
        name.removeprefix("openfeature_triton.") for name in packages
    }
    assert set(places) == packages


def test_the_wheel_holds_each_file_of_the_folders(wheel: Path) -> None:
    """Modules, templates, examples and `py.typed`: nothing is missing, nothing is added."""
    with zipfile.ZipFile(wheel) as archive:
        held = {n for n in archive.namelist() if ".dist-info/" not in n}
    tracked = {f"openfeature_triton/{name}" for name in _tracked() if name.split("/")[0] in FOLDERS}
    assert held == tracked
    for folder in FOLDERS:
        assert f"openfeature_triton/{folder}/py.typed" in held
    assert "openfeature_triton/__init__.py" not in held


def test_the_wheel_declares_its_commands_and_pythons(wheel: Path) -> None:
    """The console script, the command entry points and Python 3.10 to 3.13 are declared."""
    with zipfile.ZipFile(wheel) as archive:
        info = {
            n.rsplit("/", 1)[1]: archive.read(n).decode()
            for n in archive.namelist()
            if ".dist-info/" in n and "/licenses/" not in n
        }
    assert (
        "openfeature-triton = openfeature_triton.flagd_config.command_line:main"
        in info["entry_points.txt"]
    )
    assert "Requires-Python: >=3.10" in info["METADATA"]
    for minor in (10, 11, 12, 13):
        assert f"Programming Language :: Python :: 3.{minor}\n" in info["METADATA"]


def test_the_top_level_holds_only_the_agreed_names() -> None:
    """A newcomer finds the six places of the README, and the files that tools demand."""
    found = {name.split("/")[0] for name in _tracked() if not name.startswith(".")}
    assert found <= ALLOWED


def test_type_checkers_read_through_links_to_the_folders() -> None:
    """Each folder has its link below `typings/`, relative, so that it holds in any clone."""
    for folder in FOLDERS:
        link = ROOT / "typings" / "openfeature_triton" / folder
        assert link.is_symlink()
        assert link.resolve() == ROOT / folder
        assert not Path(link.readlink()).is_absolute()
