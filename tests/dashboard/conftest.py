"""A real store, filled by the real recorder, and a dashboard that reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from openfeature.track import TrackingEventDetails
from pydantic import SecretStr

from openfeature_triton.dashboard import DashboardSettings, create_app
from openfeature_triton.hooks import Recorder, RecorderSettings, Series, SqlSink

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Outcome:
    """One request, as a test remembers it."""

    variant: str
    latency_ms: float
    error_class: str = ""
    language: str = "hi-IN"
    metrics: dict[str, float] = field(default_factory=dict)
    served: str = ""
    user: str | None = None


@dataclass(frozen=True)
class World:
    """A folder with a store and a flag file."""

    folder: Path

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"sqlite:///{self.folder / 'store.db'}"

    @property
    def flags(self) -> Path:
        """The flag file, which need not be there."""
        return self.folder / "flags.json"

    def settings(self) -> DashboardSettings:
        """Settings that point here."""
        return DashboardSettings(
            store=SecretStr(self.url),
            flags=str(self.flags),
            access=str(self.folder / "access.json"),
            spool=str(self.folder / "spool"),
        )

    def client(self) -> FlaskClient:
        """A client of a dashboard that reads this world at noon of the last day."""
        return create_app(self.settings(), clock=lambda: NOW).test_client()

    def record(
        self,
        experiment: str,
        outcomes: list[Outcome],
        *,
        phase: str = "aaaa1111",
        days_ago: int = 0,
        minutes_ago: int = 90,
        weights: dict[str, int] | None = None,
        definition: str = "",
        metadata: str = "",
    ) -> None:
        """Expose and record each outcome, some days ago, with a recorder of its own."""
        time_ns = int((NOW - timedelta(days=days_ago, minutes=minutes_ago)).timestamp()) * 10**9
        settings = RecorderSettings(on_sigterm=False)
        recorder = Recorder(SqlSink(self.url), settings, clock_ns=lambda: time_ns)
        if weights is not None:
            said = TrackingEventDetails(
                attributes={
                    "experiment": experiment,
                    "phase": phase,
                    "weights": json.dumps(weights),
                    "definition": definition,
                    "metadata": metadata,
                }
            )
            recorder.track("experiment_phase", None, said)
        for each in outcomes:
            served = each.served or each.variant
            series = Series(experiment, phase, each.variant, served, "asr", each.language)
            recorder.expose(series)
            recorder.record(
                series, each.latency_ms, each.error_class, each.metrics, targeting_key=each.user
            )
        assert recorder.close()

    def write_flags(self, **states: str) -> None:
        """Write a flag file with these experiments; a state is ENABLED or DISABLED."""
        flags = {key: flag(state) for key, state in states.items()}
        self.flags.write_text(json.dumps({"flags": flags}), encoding="utf-8")


def flag(state: str) -> dict[str, object]:
    """An experiment's flag."""
    return {
        "state": state,
        "variants": {"new": {"service": "asr-new"}, "old": {"service": "asr-old"}},
        "defaultVariant": None,
        "targeting": {"fractional": [["new", 10], ["old", 90]]},
        "metadata": {"experiment": True, "task_type": "asr", "control": "old", "owner": "speech"},
    }


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty folder: no store yet, and no flag file."""
    return World(tmp_path)


@pytest.fixture
def empty_store(world: World) -> World:
    """A store that holds nothing."""
    SqlSink(world.url).close()
    return world
