"""Tables in text."""

from __future__ import annotations

from collections.abc import Sequence

from openfeature_triton.flagd_config.errors import one_line


def table(rows: Sequence[Sequence[str]]) -> str:
    """Give rows in columns that stand below each other, two spaces apart."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
