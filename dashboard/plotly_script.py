"""Plotly's script, out of its own package: no outside request, and no copy of ours."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from openfeature_triton.dashboard.errors import PlotlyMissingError

HASH_LENGTH = 16


def read_plotly() -> tuple[bytes, str]:
    """Give the script and a hash of it, which changes with the package.

    PlotlyMissingError if the package does not hold it.
    """
    try:
        script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise PlotlyMissingError(
            "the package plotly holds no plotly.min.js; pip install --force-reinstall plotly"
        ) from error
    return script, content_hash(script)


def content_hash(content: bytes) -> str:
    """Give a short hash, so that a URL names a content and may be cached for ever."""
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
