"""Direct tracking: outcomes are handed over as they are to a tracker that can take them so.

An OpenFeature tracking event is built of a context, details and a mapping, and read again, for
each request. A tracker says by a method `track_inference` beside its `track` that it needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from openfeature_triton.provider.stands_for import stands_for


class Named(NamedTuple):
    """Whose outcome it is; `served` differs from `variant` after a fallback."""

    experiment: str
    phase: str
    variant: str
    served: str
    task_type: str
    language: str


TrackInference = Callable[[Named, float, str, Mapping[str, float], "str | None"], None]
"""Takes whose outcome it is, latency in ms, error class (empty for success), metrics; and the
targeting key, None unless the unit is the user."""

_TRACK = frozenset({"track"})


def direct_tracker(on_track: Any) -> TrackInference | None:
    """Give the `track_inference` of whose `track` it is; None where that would not do the same."""
    owner = getattr(on_track, "__self__", None)
    if owner is None or on_track != getattr(owner, "track", None):
        return None
    found: TrackInference | None = getattr(owner, "track_inference", None)
    return found if stands_for(owner, "track_inference", _TRACK) else None
