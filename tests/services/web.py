"""The NER service on the web: a WSGI application for a server that preloads it, then forks.

    gunicorn --preload --workers 2 --threads 4 'tests.services.web:create_app()'

What it needs stands in the environment (`OFT_FLAGS`, `OFT_REGISTRY`, `OFT_KEYS`, `OFT_STORE`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from openfeature import api

from openfeature_triton.hooks import ExperimentHook, Recorder
from openfeature_triton.provider import Experiments, TritonProvider
from tests.services.ner import entities

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def create_app() -> Application:
    """Set the service up, in the process that forks."""
    recorder = Recorder.open()
    api.set_provider_and_wait(TritonProvider.open(on_track=recorder.track))
    api.add_hooks([ExperimentHook(recorder)])
    experiments = Experiments(api.get_client())

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        found = entities(experiments, asked["text"], asked["language"], asked["user"])
        body = json.dumps(found).encode()
        headers = [("content-type", "application/json"), ("x-worker", str(os.getpid()))]
        start_response("200 OK", headers)
        return [body]

    return application
