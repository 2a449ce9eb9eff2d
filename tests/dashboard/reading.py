"""Reads a page as a person without JavaScript does: its words, and the cells of its tables."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """A parsed page: `text`, `tables` (rows of cells), `links`, and the `tags` it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._cell: list[str] | None = None
        self._is_code = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open tables, rows and cells; keep links."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self._is_code = tag == "script"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag == "a":
            self.links.append(given.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        """Close cells."""
        self._is_code = False
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        """Keep what a person sees."""
        if not self._is_code:
            self.text += data
        if self._cell is not None:
            self._cell.append(data)

    def row(self, heading: str) -> list[str]:
        """The first row of any table whose first cell is this."""
        return next(row for table in self.tables for row in table if row[0] == heading)

    def table(self, heading: str) -> list[list[str]]:
        """The first table whose first cell is this."""
        return next(table for table in self.tables if table[0][0] == heading)
