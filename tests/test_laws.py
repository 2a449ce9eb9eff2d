"""The laws of the folders: who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = "openfeature_triton"
MAY_IMPORT = {
    "flagd_config": set[str](),
    "provider": {"flagd_config"},
    "hooks": set[str](),
    "dashboard": {"hooks", "flagd_config"},
    "dashboard/demo": {"dashboard", "hooks", "flagd_config", "provider"},
    "dashboard/statistics": {"hooks"},
}
MUST_NOT_KNOW = {
    "flagd_config": {"influxdb_client", "flask", "tritonclient"},
    "provider": {"influxdb_client", "flask"},
    "hooks": {"tritonclient", "flask"},
    "dashboard": {"tritonclient"},
    "dashboard/demo": set[str](),
    "dashboard/statistics": {"flask", "sqlalchemy", "time", "datetime", "os", "pathlib", "logging"},
}


def _modules(folder: str) -> Iterator[Path]:
    """The modules of a folder, without those of a folder in it that has a law of its own."""
    inner = [ROOT / name for name in MAY_IMPORT if name.startswith(f"{folder}/")]
    for path in sorted((ROOT / folder).rglob("*.py")):
        if not any(each in path.parents for each in inner):
            yield path


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_its_law_allows(folder: str) -> None:
    """An arrow that DESIGN does not draw is a mistake."""
    allowed = MAY_IMPORT[folder] | {folder.split("/", maxsplit=1)[0]}
    for path in _modules(folder):
        for name in _imported(path):
            if name.startswith(f"{OURS}."):
                assert name.split(".")[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", MUST_NOT_KNOW)
def test_a_folder_does_not_know_foreign_parts(folder: str) -> None:
    """The provider knows no InfluxDB and no Flask, the hooks no Triton and no Flask, and so on."""
    for path in _modules(folder):
        for name in _imported(path):
            foreign = name.split(".")[0]
            assert foreign not in MUST_NOT_KNOW[folder], f"{path.relative_to(ROOT)} imports {name}"


def test_the_demo_is_an_outsider() -> None:
    """The demo uses what the other folders export, as its readers would."""
    for path in _modules("dashboard/demo"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(OURS):
                folder = node.module.removeprefix(f"{OURS}.")
                outside = not folder.startswith("dashboard")
                assert not (outside and "." in folder), f"{path.name}: from {node.module}"


@pytest.mark.parametrize("folder", ["flagd_config", "provider", "hooks", "dashboard"])
def test_a_folder_says_its_law_and_exports_what_it_names(folder: str) -> None:
    """The docstring at the door states the law, and each public name can be had there."""
    package = import_module(f"{OURS}.{folder}")
    assert "Law:" in (package.__doc__ or "")
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


@pytest.mark.parametrize("folder", ["flagd_config", "provider", "hooks", "dashboard"])
def test_a_folder_maps_its_modules(folder: str) -> None:
    """The docstring at the door names each module once, in the order of the data's way."""
    lines = (import_module(f"{OURS}.{folder}").__doc__ or "").splitlines()
    columns = ", ".join(line[15:].strip(" ,") for line in lines if line.startswith("    "))
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    assert sorted(columns.split(", ")) == sorted(modules | folders)


def test_statistics_know_nothing_of_the_dashboard() -> None:
    """They are pure: of the dashboard's modules they import only their own."""
    for path in _modules("dashboard/statistics"):
        for name in _imported(path):
            if name.startswith(f"{OURS}.dashboard"):
                assert name.startswith(f"{OURS}.dashboard.statistics"), path


def test_nothing_reads_the_environment_at_import() -> None:
    """Settings are read at the edge: no module but a `settings.py` names the environment."""
    for folder in MAY_IMPORT:
        for path in _modules(folder):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for statement in tree.body:
                if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                    assert "os.environ" not in ast.unparse(statement), path
