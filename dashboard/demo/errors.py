"""What can go wrong in the demo; each message says what to do next.

DemoError
├── MissingModelsError          pocketsphinx or espeak-ng is not installed
├── TritonUnavailableError      a real Triton can't be had here; the demo goes on without
│   └── TritonStartError        a Triton that is here did not get ready
└── FolderError                 the folder can't be used

The dashboard's own errors (a port that is taken, say) are in `dashboard.errors`.
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


class FolderError(DemoError):
    """The folder can't be used; the demo never overwrites what somebody has."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem} — choose an empty folder, or a new one, with --dir")
