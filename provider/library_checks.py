"""What `doctor` asks of the installed libraries: versions, and combinations that don't work."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

Lines = list[tuple[str, str, str]]
Version = tuple[int, ...]
Versions = Mapping[str, Version]

FINE, WARNING, BROKEN = "fine", "warning", "broken"
OURS = "openfeature-triton"
FLAGD, CORE = "openfeature-provider-flagd", "openfeature-flagd-core"
_EXTRA = "tritonclient[grpc] brings it: install tritonclient[http] alone, which speaks gRPC too"
_IMPORTED = (
    "openfeature.contrib.provider.flagd",
    "tritonclient.http",
    "tritonclient.grpc",
    "influxdb_client",
)
_SHOWN = (FLAGD, CORE, "openfeature-sdk", "tritonclient", "grpcio", "protobuf", "sqlalchemy")
_MINIMUM = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([0-9.]+)$")
_NONE: Version = ()


@dataclass(frozen=True, slots=True)
class Combination:
    """Libraries that don't work together: when that is so, what comes of it, what to do."""

    is_there: Callable[[Versions], bool]
    text: str
    advice: str


KNOWN_BAD = (
    Combination(
        lambda have: _NONE < have.get(FLAGD, _NONE) < (0, 6),
        f"{FLAGD} before 0.6 splits by bucketing v2, and half of all requests otherwise than v3",
        f"pip install '{FLAGD}>=0.6'; {_EXTRA}",
    ),
    Combination(
        lambda have: have.get(FLAGD, _NONE) >= (0, 6) and _NONE < have.get(CORE, _NONE) < (2,),
        f"{CORE} before 2 under {FLAGD} 0.6: it splits by bucketing v2, or does not start",
        f"pip install '{CORE}>=2'; {_EXTRA}",
    ),
    Combination(
        lambda have: (
            have.get(FLAGD, _NONE) >= (0, 6) and _NONE < have.get("protobuf", _NONE) < (7,)
        ),
        f"protobuf before 7 under {FLAGD} 0.6, whose generated code wants 7",
        f"pip install 'protobuf>=7.35.1'; {_EXTRA}",
    ),
    Combination(
        lambda have: "nvidia-pytriton" in have,
        f"nvidia-pytriton is installed here: its pins keep {FLAGD} back",
        "pip uninstall nvidia-pytriton; give Triton an environment of its own",
    ),
)
"""What has been met, the first generations of flagd's hash above all (DESIGN.md)."""


def libraries() -> Lines:
    """Whether what is installed is new enough, works together, and can be imported."""
    names = {CORE, *_SHOWN, "nvidia-pytriton", *_minima()}
    have = {name: _numbers(found) for name in names if (found := _installed(name)) is not None}
    lines = [*_old(have), *_bad(have), *_not_importable()]
    if lines:
        return lines
    shown = ", ".join(f"{name} {_installed(name)}" for name in _SHOWN if name in have)
    text = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {shown}"
    return [(FINE, text, "")]


def _old(have: Versions) -> Lines:
    lines = []
    for name, minimum in _minima().items():
        if name not in have:
            lines.append((BROKEN, f"{name} is not installed", f"pip install '{name}>={minimum}'"))
        elif have[name] < _numbers(minimum):
            text = f"{name} {_installed(name)} is older than {minimum}"
            lines.append((BROKEN, text, f"pip install '{name}>={minimum}'"))
    return lines


def _bad(have: Versions) -> Lines:
    return [(BROKEN, each.text, each.advice) for each in KNOWN_BAD if each.is_there(have)]


def _not_importable() -> Lines:
    lines = []
    for name in _IMPORTED:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a library raises
            text = f"{name} can't be imported ({type(error).__name__})"
            lines.append((BROKEN, text, f"pip install --force-reinstall {OURS}"))
    return lines


def _minima() -> Mapping[str, str]:
    """Give the oldest version that is wanted of each library that must be there."""
    try:
        wanted = requires(OURS) or []
    except PackageNotFoundError:
        return {}
    matches = (_MINIMUM.match(each.replace(" ", "")) for each in wanted if ";" not in each)
    return {match[1]: match[2] for match in matches if match is not None}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> Version:
    """Give the numbers that a version begins with: 1.2.3rc1 is (1, 2, 3)."""
    return tuple(int(each) for each in re.findall(r"\d+", text.partition("+")[0])[:3])
