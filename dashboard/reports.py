"""Reports: an experiment's page as one file to download, as the command `export` makes it."""

from __future__ import annotations

from flask import Flask, Response, abort

from openfeature_triton.dashboard.export import ExportError, as_html
from openfeature_triton.dashboard.formats import file_name
from openfeature_triton.dashboard.pages import Pages, asked_part


class Reports:
    """Answers with reports; `app` is for its templates, `pages` for what they are made from."""

    def __init__(self, app: Flask, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def report(self, key: str) -> Response:
        """Give the report of one experiment, or of a part of it; 404 for an unknown one."""
        try:
            text = as_html(self._app, self._pages, key, asked_part())
        except ExportError as error:
            abort(404, str(error))
        answer = Response(text, mimetype="text/html")
        answer.headers.set("Content-Disposition", "attachment", filename=file_name(key, "html"))
        return answer
