"""A concluded experiment: who asks by task type is sent to the winner, and nothing is counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook

from openfeature_triton.flagd_config import example, read_document
from openfeature_triton.flagd_config.explain import explain_task
from openfeature_triton.flagd_config.life_cycle import conclude
from openfeature_triton.flagd_config.plan import default_keys, make_plan
from openfeature_triton.hooks import ExperimentHook, MemorySink, Recorder, RecorderSettings
from openfeature_triton.provider import Experiments, RouteReason, Service, TritonProvider
from openfeature_triton.provider.settings import ProviderSettings

KEY, WINNER, OWN = "asr-fast-beam", "asr-fast", "asr-of-mine"
ASKED: dict[str, Any] = {"language": "en-US", "targeting_key": "r1", "service_id": OWN}
# Nothing listens there.
SERVICES = {
    name: Service(name, "asr", "127.0.0.1:9", name)
    for name in ("asr-careful", WINNER, OWN, "asr-next")
}
"""Services of the example, of the caller, and of an experiment that comes after it."""


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """The example's experiment, concluded."""
    path = Path(shutil.copy(example("asr"), tmp_path / "flags.json"))
    conclude(path, KEY, "treatment", "better")
    return path


@pytest.fixture
def sink() -> MemorySink:
    """Keeps what was recorded."""
    return MemorySink()


@pytest.fixture
def connect(sink: MemorySink) -> Iterator[Callable[..., Experiments]]:
    """Connect Experiments to a flag file, with a recorder and its hook."""
    recorder = Recorder(sink, RecorderSettings(on_sigterm=False))
    made: list[Experiments] = []

    def make(path: Path, **settings: Any) -> Experiments:
        api.set_provider_and_wait(TritonProvider(path, SERVICES, on_track=recorder.track))
        api.add_hooks([ExperimentHook(recorder)])
        made.append(Experiments(api.get_client(), settings=ProviderSettings(**settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()
    recorder.close()


def test_everybody_it_took_is_sent_to_the_winner(
    connect: Callable[..., Experiments], flags: Path
) -> None:
    """By task type and by key, in any region of the language; others go to their own service."""
    experiments = connect(flags)
    for number in range(50):
        route = experiments.route("asr", **{**ASKED, "targeting_key": f"r{number}"})
        assert (route.service_id, route.reason) == (WINNER, RouteReason.CONCLUDED)
        assert (route.is_assigned, route.is_experiment, route.phase) == (True, False, "")
    assert experiments.route("asr", **{**ASKED, "targeting_key": None}).service_id == WINNER
    assert experiments.route("asr", **{**ASKED, "language": "hi"}).service_id == OWN
    context = EvaluationContext(None, {"task_type": "asr", "language": "en-US"})
    found = api.get_client().get_object_details(KEY, {}, context)
    assert isinstance(found.value, dict)
    assert found.value["service_id"] == WINNER


def test_hooks_that_want_the_sdk_change_nothing(
    connect: Callable[..., Experiments], flags: Path
) -> None:
    """Somebody else's hook hears of the evaluation, and the winner stays the winner."""
    experiments = connect(flags)
    api.add_hooks([Hook()])
    route = experiments.route("asr", **ASKED)
    assert (route.service_id, route.reason) == (WINNER, RouteReason.CONCLUDED)


def test_nothing_is_recorded(
    connect: Callable[..., Experiments], sink: MemorySink, flags: Path
) -> None:
    """No exposure, no outcome, no token to credit later."""
    experiments = connect(flags)
    with experiments.infer("asr", **ASKED) as call:
        assert call.model_name == WINNER
        assert call.token == ""
    assert experiments.counts() == {"concluded": 1}
    api.shutdown()
    assert sink.points == {}


def test_a_winner_that_fails_is_left_alone(
    connect: Callable[..., Experiments], flags: Path
) -> None:
    """As in an experiment: `call` asks the caller's own service, and the breaker opens."""
    experiments = connect(flags, breaker_failures=1)
    asked = []

    def infer(call: Any) -> str:
        asked.append(call.model_name)
        if call.model_name == WINNER:
            raise ConnectionRefusedError
        return "answer"

    assert experiments.call(infer, "asr", **ASKED) == "answer"
    assert asked == [WINNER, OWN]
    route = experiments.route("asr", **ASKED)
    assert (route.service_id, route.reason) == (OWN, RouteReason.ENDPOINT_FAILING)
    assert not route.is_experiment


def test_a_new_experiment_is_asked_first(connect: Callable[..., Experiments], flags: Path) -> None:
    """What is concluded takes what the task's experiments leave, whatever their keys."""
    document = json.loads(flags.read_text())
    new = json.loads(example("asr").read_text())["flags"][KEY]
    new["variants"] = {"control": {"service": WINNER}, "treatment": {"service": "asr-next"}}
    document["flags"]["zzz-next"] = new
    flags.write_text(json.dumps(document))
    experiments = connect(flags)
    seen = {
        experiments.route("asr", **{**ASKED, "targeting_key": str(n)}).experiment for n in range(9)
    }
    assert seen == {"zzz-next"}
    explained = explain_task(
        read_document(flags), "asr", {"language": "en-US", "targetingKey": "r1"}
    )
    assert [each.flag_key for each in explained] == ["zzz-next"]


def test_the_last_that_was_concluded_wins(tmp_path: Path) -> None:
    """One winner after the other: each experiment began where the one before it ended."""
    flag = json.loads(example("asr").read_text())["flags"][KEY]
    said = {"experiment": False, "status": "completed", "shipped": "treatment"}
    flags = {
        key: {**flag, "metadata": {**flag["metadata"], **said, "concluded": date}}
        for key, date in (("a", "2026-01-01"), ("b", "2026-03-01"), ("c", "2026-02-01"))
    }
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": flags}))
    assert [each.key for each in read_document(path).offers_of("asr")] == ["b", "c", "a"]


def test_a_winner_by_default_is_routed(connect: Callable[..., Experiments], tmp_path: Path) -> None:
    """Where the split was all of the targeting, all requests of the task get the winner."""
    document = json.loads(example("asr").read_text())
    (flag,) = document["flags"].values()
    flag["targeting"] = {"fractional": [["control", 50], ["treatment", 50]]}
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(document))
    conclude(path, KEY, "control", "")
    route = connect(path).route("asr", **{**ASKED, "language": "ta"})
    assert (route.service_id, route.reason) == ("asr-careful", RouteReason.CONCLUDED)


def test_the_plan_says_who_moves(flags: Path) -> None:
    """Concluding moves the losers to the winner, and nobody out of it."""
    made = make_plan(read_document(example("asr")), read_document(flags), default_keys(1000))
    moves = {(move.before, move.after) for each in made.slices for move in each.moves}
    assert moves == {(f"{KEY}/control", f"{KEY}/treatment")}
    assert [phase.shipped for phase in made.phases] == ["treatment"]
