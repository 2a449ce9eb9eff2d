"""Requests from many threads, while all that they depend on changes at once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.hook import Hook

from openfeature_triton.flagd_config import Document, parse_document
from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings
from openfeature_triton.provider import (
    Experiments,
    FlagListener,
    ProviderSettings,
    Route,
    RouteReason,
    TritonProvider,
)
from tests.provider.test_experiments import ASKED, OWN, SERVICES, write_flags

THREADS, REQUESTS, MOST = 6, 1_500, 60_000
"""How many requests each thread makes at least, and at most if flags hardly change meanwhile."""

RELOADS = 8


class Held:
    """A flag source that holds one document, and puts others in force when told."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.listener: FlagListener | None = None

    def start(self, listener: FlagListener) -> None:
        """Put the document in force."""
        self.listener = listener
        listener.on_document(self.document)

    def close(self) -> None:
        """Nothing runs."""

    def age_s(self) -> float | None:
        """As fresh as can be."""
        return 0.0


def _documents(folder: Path) -> list[Document]:
    """The same experiment in four phases: two splits, and its services either way round."""
    ways = ({"control": 50, "treatment": 50}, {"control": 10, "treatment": 90})
    documents = []
    for number, weights in enumerate(ways):
        split = {"fractional": [list(each) for each in weights.items()]}
        text = write_flags(folder / f"{number}.json", one={"targeting": split}).read_text()
        documents.append(parse_document(text.encode(), source="held"))
        flags = json.loads(text)
        flags["flags"]["one"]["variants"] = {
            "control": {"service": "asr-fast"},
            "treatment": {"service": "asr-careful"},
        }
        documents.append(parse_document(json.dumps(flags).encode(), source="held"))
    return documents


@contextmanager
def _changing(*changes: Any) -> Iterator[None]:
    """Make changes in turn, in a thread of their own, as fast as they can be made."""
    stop, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not stop.is_set():
                for change in changes:
                    change()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures


def test_every_request_is_answered_and_counted_once(tmp_path: Path) -> None:
    """Flags, hooks, providers and registry change, experiments are switched off and on.

    Each route is of one document, each request that is in an experiment has one exposure and one
    outcome, and nothing is counted as trouble.
    """
    documents = _documents(tmp_path)
    known = {
        (experiment.phase, variant, service_id)
        for document in documents
        for experiment in document.experiments.values()
        for variant, service_id in experiment.services.items()
    }
    recorder = Recorder(MemorySink(), RecorderSettings(on_sigterm=False))
    services, next_documents = dict(SERVICES), cycle(documents)
    sources, reloads = list[Held](), list[Document]()

    def swap_provider() -> None:
        sources.append(Held(next(next_documents)))
        api.set_provider_and_wait(TritonProvider(sources[-1], services, on_track=recorder.track))

    def reload() -> None:
        listener = sources[-1].listener
        assert listener is not None
        reloads.append(next(next_documents))
        listener.on_document(reloads[-1])

    def change_hooks() -> None:
        api.add_hooks([Hook()])
        api.clear_hooks()

    swap_provider()
    client = api.get_client()
    client.add_hooks([ExperimentHook(recorder)])
    own = {OWN: SERVICES[OWN]}
    experiments = Experiments(client, own=own, settings=ProviderSettings())

    def toggle() -> None:
        experiments.disable()
        experiments.enable()

    def lose_a_service() -> None:
        services.pop("asr-fast")
        services["asr-fast"] = SERVICES["asr-fast"]

    def ask(thread: int) -> list[Route]:
        routes: list[Route] = []
        while len(routes) < (REQUESTS if len(reloads) > RELOADS else MOST):
            asked = {**ASKED, "targeting_key": f"{thread}-{len(routes)}"}
            with experiments.infer("asr", **asked) as call:
                assert call.model_name
            routes.append(call.route)
        return routes

    with closing(recorder), closing(experiments):
        with (
            _changing(reload, reload, change_hooks, swap_provider),
            _changing(change_hooks, toggle, lose_a_service),
            ThreadPoolExecutor(THREADS) as pool,
        ):
            routes = [each for found in pool.map(ask, range(THREADS)) for each in found]
        assert recorder.flush(30)
        counted = [route for route in routes if route.is_experiment]
        assert len(routes) >= THREADS * REQUESTS
        assert {(each.phase, each.variant, each.service_id) for each in counted} <= known
        assert len({each.phase for each in counted}) > 1
        assert {each.service_id for each in routes if not each.is_experiment} <= {OWN}
        assert recorder.stats().recorded == len(counted)
        assert recorder.stats().exposures == len(counted)
        reasons = Counter(route.reason.value for route in routes)
        assert experiments.counts() == reasons
        assert reasons[RouteReason.EXPERIMENT.value] > THREADS
