"""Memory sink: keeps points as a store would, for tests of those who record."""

from __future__ import annotations

from collections.abc import Collection

from openfeature_triton.hooks.sink import Point, Tags


class MemorySink:
    """Holds each point once, its fields at their last written value.

    Set `failure` to an exception to let each write raise it.
    """

    def __init__(self) -> None:
        self.points: dict[tuple[str, Tags, int], dict[str, float | int | str]] = {}
        self.writes = 0
        self.closed = False
        self.failure: Exception | None = None

    def write(self, points: Collection[Point]) -> None:
        """Replace fields by their newer value."""
        if self.failure is not None:
            raise self.failure
        self.writes += 1
        for point in points:
            key = point.measurement, point.tags, point.time_ns
            self.points.setdefault(key, {}).update(point.fields)

    def close(self) -> None:
        """Take note that nothing more will come."""
        self.closed = True

    def total(self, measurement: str, field: str, **tags: str) -> float:
        """Add up a field over all windows, writers and series that have these tags."""
        return sum(
            float(fields.get(field, 0.0))
            for (name, held, _), fields in self.points.items()
            if name == measurement and tags.items() <= dict(held).items()
        )
