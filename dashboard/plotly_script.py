"""Plotly's script, out of its own package: no outside request, and no copy of ours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from openfeature_triton.dashboard.errors import PlotlyMissingError

HASH_LENGTH = 16


# Plotly puts the styles of its maps, which we do not draw, into each page that has no element of
# this id yet; the browser would refuse them, as our policy says, and complain.
_STYLE_ID = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True, slots=True)
class Plotly:
    """The script, its hash, and the ids of elements that spare a page its inline styles."""

    script: bytes
    hash: str
    style_ids: tuple[str, ...]


def read_plotly() -> Plotly:
    """Read the script; PlotlyMissingError if the package does not hold it."""
    try:
        script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise PlotlyMissingError(
            "the package plotly holds no plotly.min.js; pip install --force-reinstall plotly"
        ) from error
    ids = dict.fromkeys(found.decode() for found in _STYLE_ID.findall(script))
    return Plotly(script, content_hash(script), tuple(ids))


def content_hash(content: bytes) -> str:
    """Give a short hash, so that a URL names a content and may be cached for ever."""
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
