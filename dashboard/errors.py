"""Errors: what this folder raises, and only at its start.

DashboardError
├── AccessError           the file of users and tokens can't be used; names it
├── ListenError           the dashboard can't listen where it should; names the address
│   ├── NotLoopbackError  the address can be reached from other machines, and nobody signs in
│   └── PortTakenError    somebody else listens there
└── PlotlyMissingError    the plotly package brings no plotly.min.js

A store that can't be read raises the `StoreError` of `hooks`: while the dashboard runs, its pages
say so, and recover with the store.
"""

from __future__ import annotations

from pathlib import Path


class DashboardError(Exception):
    """Anything that `dashboard` raises on purpose."""


class AccessError(DashboardError):
    """The file of users and tokens can't be used."""

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(f"{path}: {problem}; {advice}")


class ListenError(DashboardError):
    """The dashboard can't listen at an address.

    Attributes:
        host: the address.
        port: the port.
    """

    def __init__(self, host: str, port: int, problem: str, advice: str) -> None:
        super().__init__(f"{host}:{port}: {problem}; {advice}")
        self.host = host
        self.port = port


class NotLoopbackError(ListenError):
    """Others could read what the dashboard shows, and it has no way to ask who they are."""


class PortTakenError(ListenError):
    """Another program listens there."""


class PlotlyMissingError(DashboardError):
    """The plotly package does not hold the script that draws."""
