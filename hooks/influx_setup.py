"""What InfluxDB needs before it can be a store: buckets, tokens, and the task that merges days."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openfeature_triton.hooks.errors import MissingStoreError, StoreUnavailableError
from openfeature_triton.hooks.influx_api import InfluxApi
from openfeature_triton.hooks.influx_days import task_name, task_script
from openfeature_triton.hooks.settings import InfluxSettings

SHARD_S = 364 * 86_400
"""Length of the shard groups of windows: a query's time follows the shards that it meets."""

_RAW_SHARD_S = 86_400
_KEPT, _MADE, _CHANGED = "is there", "made", "changed"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to one thing: `is there` already, `made`, or `changed` to what it must be."""

    thing: str
    name: str
    action: str
    note: str = ""


def set_up(api: InfluxApi, raw_days: int, tokens: Path) -> Iterator[Done]:
    """Make what is not there yet, and say of each thing what was done.

    Args:
        api: with a token that may make buckets, tokens and tasks, such as an operator's.
        raw_days: how long raw points are kept.
        tokens: the folder of the files that the two tokens are written to, readable by nobody else.
    """
    org = _org(api)
    settings = api.settings
    raw_s = raw_days * 86_400
    buckets = [
        _bucket(api, org, settings.bucket, 0, SHARD_S),
        _bucket(api, org, settings.raw_bucket, raw_s, _RAW_SHARD_S),
        _bucket(api, org, settings.days_bucket, 0, SHARD_S),
    ]
    yield from (done for done, _ in buckets)
    windows, raw, days = (bucket for _, bucket in buckets)
    yield _task(api, org)
    file = tokens / "influx-write.token"
    yield _token(api, org, f"write {settings.bucket}", _rights("write", windows, raw), file)
    file = tokens / "influx-read.token"
    yield _token(api, org, f"read {settings.bucket}", _rights("read", windows, raw, days), file)


def _org(api: InfluxApi) -> str:
    """Give the organisation's id."""
    name = api.settings.org
    found = api.get("/api/v2/orgs", org=name)["orgs"]
    if not found:
        raise MissingStoreError(
            api.name, f"it has no organisation {name!r}", "name one that is there: OFT_INFLUX_ORG"
        )
    return str(found[0]["id"])


def _bucket(
    api: InfluxApi, org: str, name: str, keep_s: int, shard_s: int
) -> tuple[Done, dict[str, Any]]:
    """Make a bucket; one that is there keeps its retention, as somebody may have chosen it."""
    rule = {"type": "expire", "everySeconds": keep_s, "shardGroupDurationSeconds": shard_s}
    found = _bucket_named(api, org, name)
    if found is None:
        made = api.post("/api/v2/buckets", {"orgID": org, "name": name, "retentionRules": [rule]})
        return Done("bucket", name, _MADE, _kept_for(keep_s, shard_s)), made
    rules = found["retentionRules"] or [{"everySeconds": 0, "shardGroupDurationSeconds": 0}]
    kept_s, old_shard_s = rules[0]["everySeconds"], rules[0]["shardGroupDurationSeconds"]
    if old_shard_s == shard_s or (kept_s and kept_s < shard_s):
        return Done("bucket", name, _KEPT, _kept_for(kept_s, old_shard_s)), found
    rule["everySeconds"] = kept_s
    changed = api.patch(f"/api/v2/buckets/{found['id']}", {"retentionRules": [rule]})
    return Done("bucket", name, _CHANGED, _kept_for(kept_s, shard_s)), changed


def _bucket_named(api: InfluxApi, org: str, name: str) -> dict[str, Any] | None:
    try:
        found = api.get("/api/v2/buckets", orgID=org, name=name)["buckets"]
    except MissingStoreError:
        return None
    return dict(found[0]) if found else None


def _kept_for(keep_s: int, shard_s: int) -> str:
    kept = f"kept for {keep_s // 86_400} days" if keep_s else "kept for ever"
    return f"{kept}, in shards of {shard_s // 86_400} days"


def _task(api: InfluxApi, org: str) -> Done:
    name, script = task_name(api.settings), task_script(api.settings)
    found = api.get("/api/v2/tasks", orgID=org, name=name)["tasks"]
    if not found:
        api.post("/api/v2/tasks", {"orgID": org, "flux": script, "status": "active"})
        return Done("task", name, _MADE, "each hour")
    task = found[0]
    if task["flux"] == script and task["status"] == "active":
        return Done("task", name, _KEPT, "each hour")
    api.patch(f"/api/v2/tasks/{task['id']}", {"flux": script, "status": "active"})
    return Done("task", name, _CHANGED, "each hour")


def _rights(action: str, *buckets: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "action": action,
            "resource": {"type": "buckets", "id": bucket["id"], "orgID": bucket["orgID"]},
        }
        for bucket in buckets
    ]


def _token(
    api: InfluxApi, org: str, purpose: str, rights: list[dict[str, Any]], file: Path
) -> Done:
    """Make a token with exactly these rights, and put it into a file; never show it."""
    description = f"openfeature-triton: {purpose}"
    found = _token_of(api, org, description, rights)
    body = {"orgID": org, "description": description, "permissions": rights}
    token = found or str(api.post("/api/v2/authorizations", body)["token"])
    if file.exists() and file.read_text(encoding="utf-8").strip() == token:
        return Done("token", purpose, _KEPT, str(file))
    _keep_secret(file, token)
    return Done("token", purpose, _CHANGED if found else _MADE, str(file))


def _token_of(
    api: InfluxApi, org: str, description: str, rights: list[dict[str, Any]]
) -> str | None:
    """Give the token that is there for this; None if there is none that can be read or is right."""
    for each in api.get("/api/v2/authorizations", orgID=org)["authorizations"]:
        same = {_right(right) for right in each["permissions"]} == {*map(_right, rights)}
        if each["description"] == description and each["status"] == "active" and same:
            return str(each["token"]) or None
    return None


def _right(right: dict[str, Any]) -> tuple[str, str, str]:
    return right["action"], right["resource"]["type"], right["resource"].get("id", "")


def _keep_secret(file: Path, token: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.write(token + "\n")
        new.replace(file)
    except OSError as error:
        raise StoreUnavailableError(
            str(file), error.strerror or str(error), "name a folder to write to: --tokens DIR"
        ) from error


def settings_to_use(settings: InfluxSettings, tokens: Path) -> dict[str, str]:
    """Give the environment that a service needs to write to this store."""
    return {
        "OFT_INFLUX_URL": settings.url,
        "OFT_INFLUX_ORG": settings.org,
        "OFT_INFLUX_TOKEN_FILE": str((tokens / "influx-write.token").absolute()),
    }
