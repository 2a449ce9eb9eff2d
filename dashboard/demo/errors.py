"""What can go wrong in the demo; each message says what to do next.

DemoError
├── MissingModelsError          pocketsphinx or espeak-ng is not installed
├── TritonUnavailableError      a real Triton can't be had here; the demo goes on without
│   └── TritonStartError        a Triton that is here did not get ready
├── FolderTakenError            the folder holds a demo already
└── PortTakenError              the dashboard's port is in use
"""

from __future__ import annotations

from pathlib import Path


class DemoError(Exception):
    """The demo can't go on."""


class MissingModelsError(DemoError):
    """The speech models are not installed."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} — install it: pip install 'openfeature-triton[demo]'")


class TritonUnavailableError(DemoError):
    """A real Triton can't be had on this machine; says why, and what would help."""


class TritonStartError(TritonUnavailableError):
    """A Triton did not get ready; the message has its own last words."""


class FolderTakenError(DemoError):
    """The demo never overwrites what somebody has."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already — choose an empty folder with --dir")


class PortTakenError(DemoError):
    """The port is in use."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} of {host} is in use — choose another with --port, or 0 for a free one"
        )
