from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openfeature_triton.dashboard import SqlStore, create_app
from openfeature_triton.dashboard.access import Access, May, Token, change_access
from openfeature_triton.dashboard.intake import MAX_OUTCOMES, Intake
from openfeature_triton.dashboard.limits import RateLimit
from openfeature_triton.dashboard.passwords import hash_token
from openfeature_triton.dashboard.store import CLUSTERS, Query
from openfeature_triton.dashboard.summary import users
from openfeature_triton.flagd_config import read_document
from openfeature_triton.hooks.clusters import bucket_of
from tests.dashboard.conftest import NOW, World, flag

TOKEN = "oft_sentinel-token"
OUTCOME: dict[str, Any] = {
    "experiment": "e",
    "variant": "new",
    "task_type": "asr",
    "language": "hi-in",
    "latency_ms": 12.5,
}


def _add_token(world: World, may: May = "track") -> None:
    kept = Token(hash_token(TOKEN), may)
    change_access(world.folder / "access.json", lambda _: Access({}, {"nmt": kept}))


def _app(world: World, track_per_s: float = 1000) -> Flask:
    settings = world.settings().model_copy(update={"track_per_s": track_per_s})
    return create_app(settings, clock=lambda: NOW)


def _send(client: FlaskClient, outcomes: object, token: str = TOKEN) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post("/api/track", json={"outcomes": outcomes}, headers=headers)


def _intake(app: Flask) -> Intake:
    intake = app.extensions["intake"]
    assert isinstance(intake, Intake)
    return intake


def test_what_is_tracked_is_stored_as_a_services_own_outcomes(world: World) -> None:
    """204, and once written the page's numbers hold each outcome, metric and exposure."""
    _add_token(world)
    app = _app(world)
    client = app.test_client()
    failed = OUTCOME | {"error_class": "timeout", "latency_ms": 30, "exposed": True}
    measured = OUTCOME | {"metrics": {"word_accuracy": 0.5}}
    response = _send(client, [OUTCOME, failed, measured])
    assert (response.status_code, response.data) == (204, b"")
    assert _intake(app).flush()
    numbers = client.get("/api/experiments/e").get_json()["variants"]["new"]
    assert (numbers["requests"], numbers["errors"], numbers["exposures"]) == (3, 1, 1)
    assert numbers["mean_ms"] == pytest.approx(55 / 3)
    assert numbers["metrics"]["word_accuracy"] == {"count": 1, "mean": 0.5}
    assert "openfeature_triton_track_delivered_total 3" in client.get("/metrics").text
    _intake(app).close()


def _write_flags(world: World, unit: str, new: int = 10) -> str:
    """Write the experiment `e`; give its phase."""
    made: dict[str, Any] = flag("ENABLED")
    made["metadata"] |= {"unit": unit}
    made["targeting"] = {"fractional": [["new", new], ["old", 100 - new]]}
    world.flags.write_text(json.dumps({"flags": {"e": made}}), encoding="utf-8")
    return read_document(world.flags).experiments["e"].phase


def test_users_take_part_by_their_targeting_key_which_is_kept_nowhere(world: World) -> None:
    """They are counted by 128 buckets, as a service's own are, and the page compares them."""
    _add_token(world)
    _write_flags(world, "user")
    app = _app(world)
    keys = [f"sentinel-user-{nth}" for nth in range(300)]
    outcomes = [OUTCOME | {"targeting_key": k, "variant": v} for k in keys for v in ("new", "old")]
    assert _send(app.test_client(), outcomes).status_code == 204
    assert _intake(app).flush()
    counted = _counts_by_bucket(world)
    assert sum(counted) == len(outcomes)
    assert counted[bucket_of(keys[0])] >= 2
    page = app.test_client().get("/experiments/e").text
    assert "100.0\u00a0% of the requests name their user" in page
    _intake(app).close()
    assert all(b"sentinel-user" not in path.read_bytes() for path in world.folder.glob("store.db*"))


def test_where_requests_are_the_unit_a_targeting_key_counts_in_no_bucket(world: World) -> None:
    """As a service's own provider has it."""
    _add_token(world)
    _write_flags(world, "request")
    app = _app(world)
    assert _send(app.test_client(), [OUTCOME | {"targeting_key": "ana"}]).status_code == 204
    assert _intake(app).flush()
    assert _counts_by_bucket(world) == []
    _intake(app).close()


def test_an_outcome_without_a_phase_is_of_the_flag_files_present_one(world: World) -> None:
    """After a ramp it is of the next, each told with its weights; a phase that is named stays."""
    _add_token(world)
    app = _app(world)
    client = app.test_client()
    first = _write_flags(world, "request", new=10)
    assert _send(client, [OUTCOME] * 2).status_code == 204
    second = _write_flags(world, "request", new=50)
    assert _send(client, [OUTCOME] * 3).status_code == 204
    assert _send(client, [OUTCOME | {"phase": "abcd1234"}, OUTCOME | {"experiment": "unknown"}])
    assert _intake(app).flush()
    phases = client.get("/api/experiments/e").get_json()["phases"]
    assert {each["phase"]: each["requests"] for each in phases} == {
        first: 2,
        second: 3,
        "abcd1234": 1,
    }
    weights = {
        each["phase"]: {share["variant"]: share["weight"] for share in each["split"]["shares"]}
        for each in phases
    }
    assert weights[first] == {"old": 0.9, "new": 0.1}
    assert weights[second] == {"old": 0.5, "new": 0.5}
    [unknown] = client.get("/api/experiments/unknown").get_json()["phases"]
    assert unknown["phase"] == ""
    _intake(app).close()


def _counts_by_bucket(world: World) -> list[float]:
    """Give how many outcomes of the experiment `e` were counted in each bucket of users."""
    (found,) = SqlStore(world.url).read(Query(CLUSTERS, "e", "all"))
    return [float(each) for each in users(found).parts.get("n", [])]


@pytest.mark.parametrize("token", ["", "wrong", "oft_sentinel-tokenx"])
def test_without_the_token_nothing_is_taken(world: World, token: str) -> None:
    """401, counted, and no store is made."""
    _add_token(world)
    app = _app(world)
    response = _send(app.test_client(), [OUTCOME], token)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert _intake(app).stats() == {"track_unauthorised": 1}
    assert not (world.folder / "store.db").exists()


def test_a_token_that_may_only_read_tracks_nothing(world: World) -> None:
    """It is as good as none."""
    _add_token(world, "read")
    assert _send(_app(world).test_client(), [OUTCOME]).status_code == 401


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"latency_ms": -1}, "outcomes.0.latency_ms"),
        ({"latency_ms": "12"}, "outcomes.0.latency_ms"),
        ({"latency_ms": None}, "outcomes.0.latency_ms"),
        ({"error_class": "moon"}, "outcomes.0.error_class"),
        ({"experiment": ""}, "outcomes.0.experiment"),
        ({"variant": "v" * 65}, "outcomes.0.variant"),
        ({"metrics": {"a": "1"}}, "outcomes.0.metrics.a"),
        ({"targeting_key": ""}, "outcomes.0.targeting_key"),
        ({"targeting_key": "sentinel-user" * 100}, "outcomes.0.targeting_key"),
        ({"user": "sentinel-user"}, "outcomes.0.user"),
    ],
)
def test_an_outcome_that_is_wrong_refuses_its_batch(
    world: World, change: dict[str, Any], place: str
) -> None:
    """422 says where and what, without the value; nothing of the batch is recorded."""
    _add_token(world)
    app = _app(world)
    response = _send(app.test_client(), [OUTCOME | change, OUTCOME])
    assert response.status_code == 422
    assert response.get_json()["detail"].startswith(f"{place}: ")
    assert "sentinel-user" not in response.text
    assert _intake(app).stats() == {"track_invalid": 1}


def test_batches_are_bounded(world: World) -> None:
    """1,000 outcomes are taken, 1,001 and none are 422, and a body too long is 413."""
    _add_token(world)
    app = _app(world)
    client = app.test_client()
    assert _send(client, [OUTCOME] * MAX_OUTCOMES).status_code == 204
    assert _send(client, [OUTCOME] * (MAX_OUTCOMES + 1)).status_code == 422
    assert _send(client, []).status_code == 422
    assert _send(client, [OUTCOME | {"language": "x" * 3_000_000}]).status_code == 413
    bare = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/api/track", data="x", headers=bare).status_code == 415
    for body in ("", "{", "[" * 100_000, '{"outcomes": [NaN]}', b"\xff"):
        response = client.post(
            "/api/track", data=body, headers=bare, content_type="application/json"
        )
        assert response.status_code == 422
    _intake(app).close()


def test_a_token_that_reports_too_much_is_told_when_to_come_again(world: World) -> None:
    """429 with Retry-After; what was refused is counted."""
    _add_token(world)
    app = _app(world, track_per_s=10)
    client = app.test_client()
    assert _send(client, [OUTCOME] * MAX_OUTCOMES).status_code == 204
    response = _send(client, [OUTCOME] * 500)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 50
    assert _intake(app).stats()["track_rate_limited"] == 500
    _intake(app).close()


def test_a_bucket_refills_with_time() -> None:
    """What was taken comes back at the rate, up to the burst; keys do not share."""
    now_s = 0.0
    limit = RateLimit(10.0, burst=20.0, clock_s=lambda: now_s)
    assert limit.take("a", 20) == 0
    assert limit.take("a", 5) == pytest.approx(0.5)
    assert limit.take("b", 20) == 0
    now_s = 0.5
    assert limit.take("a", 5) == 0
    now_s = 100.0
    assert limit.take("a", 20) == 0
    assert limit.take("a", 1) > 0
