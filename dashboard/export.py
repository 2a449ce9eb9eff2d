"""Export: one experiment's page as one file, for people without access; it fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from flask import Flask, render_template
from markupsafe import Markup

from openfeature_triton.dashboard.chosen import ALL, Chosen
from openfeature_triton.dashboard.errors import DashboardError
from openfeature_triton.dashboard.pages import Pages
from openfeature_triton.dashboard.plotly_script import read_plotly

_FILES = {"style": ("style.css", "plotly.css"), "script": ("plots.js",)}


class ExportError(DashboardError):
    """The experiment can't be exported, or the file can't be written."""


class UnknownError(ExportError):
    """There is no such experiment, or it has no such phase."""

    def __init__(self, key: str, chosen: Chosen) -> None:
        if chosen.phase:
            what = f"no experiment {key!r} with a phase {chosen.phase!r}; its page names its phases"
        else:
            what = f"no experiment {key!r}; the dashboard's list names them all"
        super().__init__(f"there is {what}")


def as_html(app: Flask, pages: Pages, key: str, chosen: Chosen = ALL) -> str:
    """Give the page with its style, its script and its plots inside.

    Args:
        app: what `create_app` gave, for its templates.
        pages: what its pages are made from.
        key: the experiment.
        chosen: the part of it that is shown.

    UnknownError for an unknown experiment or phase. The file's own policy lets run only what it
    holds.
    """
    with app.test_request_context("/"):
        values = pages.experiment_values(key, chosen)
        if values is None:
            raise UnknownError(key, chosen)
        styles, scripts = _inline(app, has_plots=bool(values["plots"]))
        policy = "; ".join(
            (
                "default-src 'none'",
                f"style-src {' '.join(map(_hash, styles))}",
                f"script-src {' '.join(map(_hash, scripts)) or repr('none')}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        )
        return render_template(
            "experiment.html",
            layout="export.html",
            exported=True,
            policy=policy,
            styles=[Markup(each) for each in styles],  # noqa: S704 - our own files
            scripts=[Markup(each) for each in scripts],  # noqa: S704
            made=datetime.now(timezone.utc),
            **values,
        )


def write_whole(path: Path, text: str) -> None:
    """Write a file as a whole, or leave what was there. ExportError if it can't be written.

    A pipe or a device is written into: it must not be replaced by a file.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_text(text, encoding="utf-8", newline="")
            return
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(number, "w", encoding="utf-8", newline="") as opened:  # noqa: PTH123 - a descriptor
                opened.write(text)
            Path(name).chmod(0o644)
            os.replace(name, path)  # noqa: PTH105 - of a temporary name
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"{path}: {reason}; choose another -o") from error


def _inline(app: Flask, *, has_plots: bool) -> tuple[list[str], list[str]]:
    folder = Path(app.static_folder or "")
    styles = [(folder / name).read_text(encoding="utf-8") for name in _FILES["style"]]
    if not has_plots:
        return styles, []
    scripts = [read_plotly().script.decode("utf-8")]
    scripts += [(folder / name).read_text(encoding="utf-8") for name in _FILES["script"]]
    # In a page, this alone would end a script; in a script, both say the same.
    return styles, [each.replace("</script", "<\\/script") for each in scripts]


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
