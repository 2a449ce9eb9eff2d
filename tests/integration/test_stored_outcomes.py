"""What a recorder was given is what the real stores hold: read back by Flux and by SQL."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from openfeature.track import TrackingEventDetails
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from openfeature_triton.dashboard.influx_store import InfluxStore
from openfeature_triton.dashboard.sql_store import SqlStore
from openfeature_triton.dashboard.store import COUNTS, LATENCIES, PHASES, Store, read_traffic
from openfeature_triton.hooks import InfluxSettings, Recorder, RecorderSettings, Series
from openfeature_triton.hooks.clusters import bucket_of
from openfeature_triton.hooks.commands import store
from openfeature_triton.hooks.histogram import quantile_ms
from openfeature_triton.hooks.influx_api import InfluxApi, each_row
from openfeature_triton.hooks.schema import cluster_fields
from tests.dashboard.stores import influx_settings, one
from tests.store_servers import InfluxServer, PostgresServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("influx", "postgres"),  # started before what looks for leaks
]

DAY_S = 86_400
REQUESTS = 1500


_CLUSTERS = (
    "SELECT field, sum(value) FROM windows JOIN series ON series.id = series_id"
    " WHERE measurement = 'inference_clusters' AND field LIKE 'b%\\_n' ESCAPE '\\'"
    " AND field NOT LIKE '%\\_m\\_%' ESCAPE '\\' GROUP BY field"
)


@dataclass
class Sent:
    """What was handed to recorders."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    errors: int = 0
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    words: float = 0.0
    clusters: Counter[str] = field(default_factory=Counter)


def send(settings: RecorderSettings, influx: InfluxSettings) -> Sent:
    """Record some outcomes on each of three days, each day by another process."""
    drawn, sent = random.Random(3), Sent()  # noqa: S311
    for days_ago in (2, 1, 0):
        time_s = int(time.time()) - days_ago * DAY_S
        recorder = Recorder.open(settings, influx)
        recorder._worker.folding._clock_ns = lambda time_s=time_s: time_s * 10**9  # type: ignore[misc]
        said = {"experiment": "e", "phase": "p", "weights": json.dumps({"v": 1, "w": 1})}
        attributes: dict[str, Any] = {**said, "definition": "{}", "metadata": "{}"}
        recorder.track("experiment_phase", None, TrackingEventDetails(attributes=attributes))
        for _ in range(REQUESTS):
            variant, language = drawn.choice("vw"), drawn.choice(["hi", "ta-IN"])
            latency_ms, words = drawn.lognormvariate(4, 0.7), float(drawn.randrange(20))
            error = "timeout" if drawn.random() < 0.1 else ""
            series = Series("e", "p", variant, variant, "asr", language)
            recorder.expose(series)
            user = f"user-{drawn.randrange(300)}"
            recorder.record(series, latency_ms, error, {"output_words": words}, targeting_key=user)
            sent.clusters[cluster_fields(bucket_of(user))[0]] += 1
            sent.requests[variant, language, time_s // DAY_S] += 1
            sent.errors += bool(error)
            sent.latencies_ms.setdefault(variant, []).append(latency_ms)
            sent.words += words
        assert recorder.close(30)
    return sent


def check(read: Store, sent: Sent) -> None:
    """Compare a store with what was sent: per day and language, quantiles, phases."""
    totals = one(read, COUNTS, "e")
    found: Counter[tuple[str, str, int]] = Counter()
    bins: dict[str, Counter[float]] = {"v": Counter(), "w": Counter()}
    for each in totals:
        day = each.start_ns // 10**9 // DAY_S
        found[each.variant, each.language, day] += int(each.fields["requests"])
        assert each.fields["exposures"] == each.fields["requests"]
    for each in one(read, LATENCIES, "e"):
        held = each.latencies
        bins[each.variant].update(dict(zip(held.bins.tolist(), held.counts.tolist(), strict=True)))
    assert found == sent.requests
    assert sum(each.fields.get("error_timeout", 0.0) for each in totals) == sent.errors
    assert sum(each.fields["m_output_words_sum"] for each in totals) == sent.words
    for variant, latencies_ms in sent.latencies_ms.items():
        shares = [0.5, 0.95, 0.99]
        exact = np.quantile(latencies_ms, shares, method="inverted_cdf")
        stored = quantile_ms(list(bins[variant]), list(bins[variant].values()), shares)
        assert stored == pytest.approx(exact, rel=0.01)
    (phase,) = one(read, PHASES, "e")
    assert json.loads(phase.weights) == {"v": 1, "w": 1}
    traffic = read_traffic(read, "e")
    assert sum(each.requests for each in traffic) == 3 * REQUESTS


def run(settings: InfluxSettings, *arguments: str, **more: str) -> Result:
    """Run a `store` command in the environment of these settings."""
    env = {
        "OFT_INFLUX_URL": settings.url,
        "OFT_INFLUX_ORG": settings.org,
        "OFT_INFLUX_TOKEN": settings.token.get_secret_value(),
        "OFT_INFLUX_BUCKET": settings.bucket,
        "OFT_INFLUX_RAW_BUCKET": settings.raw_bucket,
        "OFT_INFLUX_DAYS_BUCKET": settings.days_bucket,
        **more,
    }
    return CliRunner().invoke(store, arguments, env=env)


@pytest.fixture
def made(influx: InfluxServer, tmp_path: Path) -> InfluxSettings:
    """Buckets that `store init` made; the token can only write."""
    settings = influx_settings(influx)
    result = run(settings, "init", "--tokens", str(tmp_path))
    assert result.exit_code == 0, result.output
    return settings.model_copy(
        update={"token": SecretStr(""), "token_file": tmp_path / "influx-write.token"}
    )


def test_influx_holds_what_was_sent_through_the_spool(
    made: InfluxSettings, influx: InfluxServer, tmp_path: Path
) -> None:
    """By the write-only token in, by the read-only one out; by plain Flux too; merged or not."""
    sent = send(RecorderSettings(spool=tmp_path / "spool", on_sigterm=False), made)
    operator = made.model_copy(update={"token": SecretStr(influx.token), "token_file": None})
    api = InfluxApi(operator)
    requests = 'r._measurement == "inference_light" and r._field == "requests"'
    flux = (
        f'from(bucket: "{made.bucket}") |> range(start: 0, stop: 1d)'
        f' |> filter(fn: (r) => {requests}) |> group(columns: ["language"]) |> sum()'
    )
    by_language = {row["language"]: int(float(row["_value"])) for row in each_row(api.query(flux))}
    wanted: Counter[str] = Counter()
    for (_, language, _), count in sent.requests.items():
        wanted[language] += count
    assert by_language == wanted
    clusters = (
        f'from(bucket: "{made.bucket}") |> range(start: 0, stop: 1d) |> filter(fn: (r) =>'
        ' r._measurement == "inference_clusters") |> group(columns: ["_field"]) |> sum()'
    )
    held = {row["_field"]: float(row["_value"]) for row in each_row(api.query(clusters))}
    counts = {name: held[name] for name in held if name.endswith("_n") and "_m_" not in name}
    assert counts == sent.clusters
    read = InfluxStore(made.model_copy(update={"token_file": tmp_path / "influx-read.token"}))
    check(read, sent)
    _run_task(api)
    assert _merged(api), "the task merged nothing"
    check(read, sent)
    read.close()


def _run_task(api: InfluxApi) -> None:
    """Have InfluxDB's own scheduler run the merging task, and wait for its end."""
    named = f"openfeature-triton: merge {api.settings.bucket}"
    (task,) = api.get("/api/v2/tasks", org=api.settings.org, name=named)["tasks"]
    path = f"/api/v2/tasks/{task['id']}/runs"
    started: Mapping[str, Any] = api.post(path, {})
    deadline_s = time.monotonic() + 60
    status = ""
    while status not in ("success", "failed", "canceled") and time.monotonic() < deadline_s:
        time.sleep(0.1)
        runs = api.get(path)["runs"] or []
        status = next((each["status"] for each in runs if each["id"] == started["id"]), "")
    assert status == "success", api.get(f"{path}/{started['id']}/logs")


def _merged(api: InfluxApi) -> list[Mapping[str, str]]:
    days = f'from(bucket: "{api.settings.days_bucket}") |> range(start: 0)'
    flux = f'{days} |> filter(fn: (r) => r._measurement == "merged_day")'
    return list(each_row(api.query(flux)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_holds_what_was_sent(
    kind: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Read by plain SQL and by the dashboard's reader, merged or not."""
    url = postgres.new_database() if kind == "postgresql" else f"sqlite:///{tmp_path}/store.db"
    settings = RecorderSettings(store=SecretStr(url), merge_days=False, on_sigterm=False)
    sent = send(settings, InfluxSettings(url=""))
    wanted = Counter[str]()
    for (_, language, _), count in sent.requests.items():
        wanted[language] += count
    sql = (
        "SELECT language, sum(value) FROM windows JOIN series ON series.id = series_id"
        " WHERE measurement = 'inference_light' AND field = 'requests' GROUP BY language"
    )
    engine = create_engine(url)
    with engine.connect() as connection:
        assert dict(map(tuple, connection.execute(text(sql)))) == wanted
        held = dict(map(tuple, connection.execute(text(_CLUSTERS))))
    assert held == sent.clusters
    engine.dispose()
    read = SqlStore(url)
    check(read, sent)
    result = CliRunner().invoke(store, ["merge", "--store", url, "--json"])
    assert len(json.loads(result.stdout)["merged"]) == 2
    check(read, sent)
    read.close()


def test_init_twice_makes_nothing_twice(made: InfluxSettings, influx: InfluxServer) -> None:
    """The second time everything is there; no token is ever shown."""
    operator = made.model_copy(update={"token": SecretStr(influx.token), "token_file": None})
    folder = str(made.token_file.parent) if made.token_file else ""
    again = run(operator, "init", "--tokens", folder, "--json")
    said = json.loads(again.stdout)
    assert {each["action"] for each in said["done"]} == {"is there"}
    assert len(said["done"]) == 6
    assert made.read_token() not in again.output
    assert made.token_file is not None
    assert made.token_file.stat().st_mode & 0o077 == 0
    rules = [
        bucket["retentionRules"][0]["shardGroupDurationSeconds"]
        for bucket in InfluxApi(operator).get("/api/v2/buckets", org=made.org, limit="100")[
            "buckets"
        ]
        if bucket["name"] in (made.bucket, made.days_bucket)
    ]
    assert rules == [364 * DAY_S] * 2


def test_check_says_what_works(made: InfluxSettings, tmp_path: Path) -> None:
    """With both tokens all of it does; a token that can only write can't read back."""
    write, read = (tmp_path / f"influx-{kind}.token" for kind in ("write", "read"))
    given = {"OFT_INFLUX_TOKEN_FILE": str(write)}
    good = run(made, "check", "--read-token-file", str(read), "--json", **given)
    assert (good.exit_code, json.loads(good.stdout)["ok"]) == (0, True)
    bad = run(made, "check", "--json", **given)
    steps = {step["name"]: step["problem"] for step in json.loads(bad.stdout)["steps"]}
    assert bad.exit_code == 1
    assert (steps["write"], bool(steps["read back"])) == ("", True)
    wrong = run(made, "check", OFT_INFLUX_TOKEN="sentinel-wrong")
    assert wrong.exit_code == 1
    assert "status 401" in wrong.stdout
    assert "sentinel" not in wrong.output


def test_show_counts_and_merge_says_its_days(
    made: InfluxSettings, influx: InfluxServer, tmp_path: Path
) -> None:
    """Counters, newest point, and what waits in the spool."""
    send(RecorderSettings(spool=tmp_path / "spool", on_sigterm=False), made)
    operator = made.model_copy(update={"token": SecretStr(influx.token), "token_file": None})
    shown = json.loads(run(operator, "show", "--json", OFT_SPOOL=str(tmp_path / "no")).stdout)
    counted = {name: shown[name] for name in ("exposures", "requests", "phases", "spool_bytes")}
    assert counted == {
        **dict.fromkeys(("exposures", "requests"), 3 * REQUESTS),
        "phases": 1,
        "spool_bytes": 0,
    }
    assert shown["newest"].startswith(time.strftime("%Y-", time.gmtime()))
    merged = json.loads(run(operator, "merge", "--json").stdout)["merged"]
    assert time.strftime("%Y-%m-%d", time.gmtime(time.time() - 2 * DAY_S)) in merged


def test_an_influx_that_is_not_there_is_one_clear_line() -> None:
    """Exit code 2, and what to do."""
    settings = InfluxSettings(url="http://127.0.0.1:9", token=SecretStr("sentinel-token"))
    for command in ("init", "show", "merge"):
        result = run(settings, command)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert result.stderr.startswith("error: http://127.0.0.1:9: ")
        assert "sentinel" not in result.output
