"""The application: pages, their JSON twins, and what keeps them safe to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from flask import Flask, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from openfeature_triton.dashboard import formats
from openfeature_triton.dashboard.access import AccessFile
from openfeature_triton.dashboard.definitions import FlagFile
from openfeature_triton.dashboard.intake import Intake
from openfeature_triton.dashboard.machines import Machines
from openfeature_triton.dashboard.open_store import open_store
from openfeature_triton.dashboard.openapi import openapi
from openfeature_triton.dashboard.pages import KeyConverter, Pages
from openfeature_triton.dashboard.plotly_script import content_hash, read_plotly
from openfeature_triton.dashboard.reports import Reports
from openfeature_triton.dashboard.security import protect
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.sign_in import SignIn
from openfeature_triton.dashboard.statistics.wording import p_in_words
from openfeature_triton.dashboard.store import Store
from openfeature_triton.dashboard.tracking import Tracking
from openfeature_triton.flagd_config.counted import counted
from openfeature_triton.hooks.errors import StoreError
from openfeature_triton.hooks.recorder import Recorder
from openfeature_triton.hooks.settings import RecorderSettings

_TITLES = {400: "This can’t be shown", 404: "There is no such page"}
"""What a person is told in place of HTTP's own names."""

_FOREVER = "public, max-age=31536000, immutable"


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def create_app(
    settings: DashboardSettings | None = None,
    *,
    store: Store | None = None,
    clock: Callable[[], datetime] = _utc_now,
) -> Flask:
    """Make the dashboard, which only reads.

    Args:
        settings: read from the environment (`OFT_…`) if not given.
        store: what to read; the store of the settings if not given.
        clock: the present time, in UTC.

    StoreUrlError if the store's URL can't be one. A store that is not there yet is no error here:
    the pages say so until it is.
    """
    settings = settings or DashboardSettings()
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.url_map.merge_slashes = False
    app.url_map.converters["key"] = KeyConverter
    access = AccessFile(settings.access)
    sign_in = app.extensions["sign_in"] = SignIn(access, settings)
    protect(app, settings)
    sign_in.add_to(app)
    store = store or open_store(settings)
    flags = FlagFile(settings.flags, settings.bucketing)
    intake = app.extensions["intake"] = Intake(lambda: _open_recorder(settings), flags.read)
    pages = Pages(store, settings, clock, intake.stats)
    _add_pages(app, pages)
    reports = Reports(app, pages)
    app.add_url_rule("/reports/<key:key>", "report", reports.report)
    _add_machines(app, Machines(store, settings, clock, intake))
    tracking = Tracking(intake, access, settings.track_per_s)
    app.add_url_rule("/api/track", "track", tracking.track, methods=["POST"])
    _add_files(app)
    _add_formats(app)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(StoreError, _say_unreadable)
    return app


def _add_pages(app: Flask, pages: Pages) -> None:
    app.add_url_rule("/", "experiments", pages.experiments)
    app.add_url_rule("/experiments/<key:key>", "experiment", pages.experiment)
    app.add_url_rule("/pipeline", "pipeline", pages.pipeline)
    app.add_url_rule("/api/pipeline", "pipeline_json", pages.pipeline_json)
    app.add_url_rule("/api/experiments", "experiments_json", pages.experiments_json)
    app.add_url_rule("/api/experiments/<key:key>", "experiment_json", pages.experiment_json)


def _add_machines(app: Flask, machines: Machines) -> None:
    metrics = "/api/experiments/<key:key>/metrics"
    app.add_url_rule(metrics, "metrics_json", machines.metrics)
    app.add_url_rule(f"{metrics}.csv", "metrics_csv", machines.metrics_csv)
    app.add_url_rule("/metrics", "prometheus", machines.prometheus)
    app.add_url_rule("/api/openapi.json", "openapi", lambda: jsonify(openapi()))


def _open_recorder(settings: DashboardSettings) -> Recorder:
    return Recorder.open(RecorderSettings(store=settings.store, on_sigterm=False))


def _add_files(app: Flask) -> None:
    """Serve what pages are drawn with, each under a hash of its content and cached for ever."""
    plotly = read_plotly()
    folder = Path(app.static_folder or "")
    hashes = {path.name: content_hash(path.read_bytes()) for path in folder.iterdir()}

    def script(name: str) -> Response:
        if name != plotly.hash:
            abort(404)
        return Response(
            plotly.script, mimetype="text/javascript", headers={"Cache-Control": _FOREVER}
        )

    def remember(response: Response) -> Response:
        if request.endpoint == "static" and request.args.get("v") in hashes.values():
            response.headers["Cache-Control"] = _FOREVER
        return response

    app.add_url_rule("/plotly/<name>.js", "plotly", script)
    app.after_request(remember)
    app.jinja_env.globals.update(plotly_hash=plotly.hash, plotly_style_ids=plotly.style_ids)
    app.jinja_env.globals.update(hashes=hashes)


def _add_formats(app: Flask) -> None:
    for shown in (formats.count, formats.percent, formats.decimals, formats.number, formats.minute):
        app.add_template_filter(shown)
    app.add_template_filter(counted)
    app.add_template_filter(formats.ago)
    app.add_template_filter(formats.short_percent)
    app.add_template_filter(formats.unbroken)
    app.add_template_filter(formats.metric_name)
    app.add_template_filter(formats.days_left)
    app.add_template_filter(formats.fact)
    app.add_template_filter(p_in_words)
    app.add_template_filter(formats.effect_size)
    app.add_template_filter(formats.signed)
    app.add_template_filter(formats.pretty)


def _refuse(error: HTTPException) -> ResponseReturnValue:
    return _explain(error.code or 500, error.name, error.description or "")


def _say_unreadable(error: StoreError) -> ResponseReturnValue:
    return _explain(503, "The store can't be read", str(error))


def _explain(code: int, title: str, text: str) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return jsonify({"error": title, "detail": text}), code
    return render_template("error.html", title=_TITLES.get(code, title), text=text), code
