"""Stories: experiments as they happen to people, in a real store, for pages to be looked at.

    python -m tests.dashboard.stories FOLDER

writes FOLDER/store.db, FOLDER/flags.json and FOLDER/spool for `openfeature-triton dashboard`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from openfeature.track import TrackingEventDetails

from openfeature_triton.flagd_config import read_document
from openfeature_triton.hooks import Point, Recorder, RecorderSettings, SqlSink
from openfeature_triton.hooks.histogram import bin_of
from openfeature_triton.hooks.schema import CLUSTER_TAGS, SERIES_TAGS, cluster_fields

HOUR_S = 3600
HOSTILE = 'tts/<img src=x onerror="document.title=1">'


@dataclass(frozen=True)
class Arm:
    """How a variant fares: its share of failures, its median latency, its custom metrics."""

    failing: float
    median_ms: float
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    fallen: float = 0.0


@dataclass(frozen=True)
class Story:
    """One experiment: `weights` of each phase, the oldest first, and what is sent to it."""

    key: str
    task_type: str
    arms: dict[str, Arm]
    weights: tuple[dict[str, int], ...]
    days: float
    per_hour: int
    languages: tuple[str, ...] = ("hi", "ta")
    metadata: dict[str, Any] = field(default_factory=dict)
    state: str = "ENABLED"
    lost: dict[str, float] = field(default_factory=dict)
    hours_ago: float = 0.0
    users: int = 0

    @property
    def control(self) -> str:
        """The first variant."""
        return next(iter(self.arms))

    def flag(self, weights: dict[str, int]) -> dict[str, Any]:
        """The flag as an operator writes it."""
        plan = {
            "experiment": True, "task_type": self.task_type, "control": self.control,
            "unit": "user" if self.users else "request", "primary_metric": "success_rate",
            "minimum_effect": 0.01, "planned_requests": 40_000,
        }  # fmt: skip
        languages = {"in": [{"var": "language"}, list(self.languages)]}
        asked = {"and": [{"==": [{"var": "task_type"}, self.task_type]}, languages]}
        split = {"fractional": [[variant, weight] for variant, weight in weights.items()]}
        return {
            "state": self.state,
            "variants": {v: {"service": f"{self.task_type}-{v}"} for v in self.arms},
            "defaultVariant": None,
            "targeting": {"if": [asked, split]},
            "metadata": plan | self.metadata,
        }


def stories() -> tuple[Story, ...]:
    """An experiment for each verdict, and some odd ones."""
    guarded = {"guardrails": "error_rate:10%, latency_p95:20%"}
    even = ({"control": 50, "treatment": 50},)
    control = Arm(0.052, 180, {"bleu_score": (31, 9), "output_characters": (84, 30)})
    return (
        Story(
            "nmt-indictrans3", "nmt",
            {"control": control,
             "treatment": Arm(0.031, 168, {"bleu_score": (31.9, 9), "output_characters": (85, 30)})},
            ({"control": 90, "treatment": 10}, *even), 12, 155,
            ("hi", "hi-IN", "ta-IN"),
            {**guarded, "owner": "translation",
             "hypothesis": "IndicTrans3 fails less on Hindi and Tamil"},
        ),
        Story(
            "asr-streaming-conformer", "asr", {"control": Arm(0.02, 240), "treatment": Arm(0.034, 150)},
            even, 6, 300, ("hi", "en", "bn"), {**guarded, "owner": "speech", "planned_requests": 60_000},
        ),
        Story(
            "ocr-tiny-vit", "ocr", {"control": Arm(0.03, 90), "treatment": Arm(0.03, 60)},
            even, 4, 200, ("en",), {"owner": "documents"}, lost={"treatment": 0.12},
        ),
        Story(
            "tts-vits-small", "tts", {"control": Arm(0.06, 400), "treatment": Arm(0.041, 380)},
            even, 9, 110, ("hi", "ta"), {"guardrails": "latency_p99:2%", "owner": "voices"},
        ),
        Story(
            "ner-muril-large", "ner", {"control": Arm(0.012, 35), "treatment": Arm(0.0121, 35.2)},
            even, 14, 170, ("hi", "mr"), {"owner": "search", "planned_requests": 50_000},
        ),
        Story(
            "asr-noise-filter", "asr",
            {"control": Arm(0.05, 210, {"word_accuracy": (0.91, 0.08)}),
             "treatment": Arm(0.047, 222, {"word_accuracy": (0.913, 0.08)}, fallen=0.03)},
            ({"control": 80, "treatment": 20},), 5, 260, ("hi", "ta", "te"),
            {"owner": "speech", "planned_requests": 90_000},
            users=6000,
        ),
        Story(
            "nmt-distilled-canary", "nmt", {"control": Arm(0.02, 170), "treatment": Arm(0.02, 120)},
            ({"control": 99, "treatment": 1},), 0.6, 150, ("en",), {"owner": "translation"},
        ),
        Story(
            "nmt-five-decoders", "nmt",
            {"greedy": Arm(0.04, 150), "beam-2": Arm(0.035, 180), "beam-4": Arm(0.03, 230),
             "beam-8": Arm(0.031, 330), "sampling": Arm(0.07, 160)},
            ({"greedy": 20, "beam-2": 20, "beam-4": 20, "beam-8": 20, "sampling": 20},),
            10, 400,
            ("as", "bn", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur"),
            {"owner": "translation", "planned_requests": 120_000},
        ),
        Story(
            "ocr-handwriting", "ocr", {"control": Arm(0.1, 300), "treatment": Arm(0.09, 280)},
            even, 8, 60, ("hi",), {"owner": "documents"}, state="DISABLED", hours_ago=30,
        ),
        Story("asr-not-yet", "asr", {"control": Arm(0, 1), "treatment": Arm(0, 1)}, even, 0, 0),
        Story(HOSTILE, "tts", {"control": Arm(0.03, 90), "<b>new</b>": Arm(0.03, 80)},
              ({"control": 50, "<b>new</b>": 50},), 2, 40, ("hi",)),
    )  # fmt: skip


def tell(folder: Path, now_s: float, told: tuple[Story, ...] = ()) -> None:
    """Write store, flag file and health files as of a time."""
    told = told or stories()
    url = f"sqlite:///{folder / 'store.db'}"
    flags = folder / "flags.json"
    rng = np.random.default_rng(11)
    sink = SqlSink(url)
    for story in told:
        start_s = int(now_s - (story.days * 24 + story.hours_ago) * HOUR_S) // HOUR_S * HOUR_S
        hours = int(story.days * 24)
        for nth, weights in enumerate(story.weights):
            flags.write_text(json.dumps({"flags": {story.key: story.flag(weights)}}))
            experiment = read_document(flags).experiments[story.key]
            first, after = (hours * each // len(story.weights) for each in (nth, nth + 1))
            if hours:
                _say_phase(url, experiment, (start_s + first * HOUR_S) * 10**9)
            for hour in range(first, after):
                points = _hour(rng, story, experiment.phase, weights, start_s + hour * HOUR_S)
                sink.write([*points])
    sink.close()
    kept = {story.key: story.flag(story.weights[-1]) for story in told}
    flags.write_text(json.dumps({"flags": kept}, indent=2))
    _say_health(folder / "spool", now_s)


def _say_phase(url: str, experiment: Any, time_ns: int) -> None:
    recorder = Recorder(SqlSink(url), RecorderSettings(on_sigterm=False), clock_ns=lambda: time_ns)
    said = {
        "experiment": experiment.key,
        "phase": experiment.phase,
        "weights": json.dumps(dict(experiment.weights)),
        "metadata": json.dumps(dict(experiment.metadata)),
        "definition": experiment.definition,
        "bucketing": "v3",
    }
    recorder.track("experiment_phase", None, TrackingEventDetails(attributes=said))
    for variant, count in (("control", 9000), ("treatment", 9100), ("", 3)):
        for _ in range(count // 100 + 1):
            code = "" if variant else "FLAG_NOT_FOUND"
            recorder.evaluated(experiment.key, variant, "SPLIT" if variant else "ERROR", code, 11.0)
    recorder.close()


def _hour(
    rng: np.random.Generator, story: Story, phase: str, weights: dict[str, int], start_s: int
) -> Iterator[Point]:
    """One hour of each variant and language, as windows of an hour."""
    whole = sum(weights.values())
    busy = 0.55 + 0.45 * np.sin((start_s / HOUR_S % 24 - 9) / 24 * 2 * np.pi) ** 2
    for variant, weight in weights.items():
        arm, by_user = story.arms[variant], np.zeros((128, 3))
        for nth, language in enumerate(story.languages):
            rate = story.per_hour * busy * weight / whole / (nth + 1)
            exposures = int(rng.poisson(rate * (1 - story.lost.get(variant, 0.0))))
            for served, count in _served(rng, story, variant, exposures):
                tags = (story.key, phase, variant, served, story.task_type, language)
                latency_ms = rng.lognormal(np.log(arm.median_ms), 0.36, count)
                failed = rng.random(count) < arm.failing
                series = tuple(zip(SERIES_TAGS, tags, strict=True))
                time_ns = start_s * 10**9 + 17
                yield Point(
                    "inference_light", series, time_ns, _light(rng, arm, latency_ms, failed)
                )
                yield Point("inference_latency", series, time_ns, _bins(latency_ms))
                _add(rng, by_user, latency_ms, failed)
        if story.users:
            tags = (story.key, phase, variant, variant, story.task_type)
            series = tuple(zip(CLUSTER_TAGS, tags, strict=True))
            yield Point("inference_clusters", series, start_s * 10**9 + 17, _clusters(by_user))


def _served(
    rng: np.random.Generator, story: Story, variant: str, count: int
) -> Iterator[tuple[str, int]]:
    fallen = int(rng.binomial(count, story.arms[variant].fallen))
    yield variant, count - fallen
    if fallen:
        yield story.control, fallen


def _light(rng: np.random.Generator, arm: Arm, ms: Any, failed: Any) -> dict[str, float]:
    ln = np.log(ms)
    fields = {
        "exposures": float(len(ms)), "requests": float(len(ms)), "errors": float(failed.sum()),
        "latency_ms_sum": float(ms.sum()), "latency_ms_sumsq": float((ms**2).sum()),
        "latency_ln_sum": float(ln.sum()), "latency_ln_sumsq": float((ln**2).sum()),
    }  # fmt: skip
    timeouts = float(rng.binomial(int(failed.sum()), 0.7))
    fields |= {"error_timeout": timeouts, "error_server_error": fields["errors"] - timeouts}
    for name, (mean, spread) in arm.metrics.items():
        values = rng.normal(mean, spread, int(len(ms) - failed.sum()))
        sums = len(values), values.sum(), (values**2).sum()
        fields |= {
            f"m_{name}_{part}": float(v)
            for part, v in zip(("n", "sum", "sumsq"), sums, strict=True)
        }
    return fields


def _bins(ms: Any) -> dict[str, float]:
    bins, counts = np.unique(bin_of(ms), return_counts=True)
    return {f"h{index}": float(count) for index, count in zip(bins, counts, strict=True)}


def _add(rng: np.random.Generator, by_user: Any, ms: Any, failed: Any) -> None:
    buckets = rng.integers(0, 128, len(ms))
    for column, values in enumerate((np.ones(len(ms)), failed, ms)):
        by_user[:, column] += np.bincount(buckets, values, 128)


def _clusters(by_user: Any) -> dict[str, float]:
    return {
        name: float(value)
        for bucket, values in enumerate(by_user)
        for name, value in zip(cluster_fields(bucket), values, strict=True)
        if values[0]
    }


def _say_health(spool: Path, now_s: float) -> None:
    spool.mkdir(exist_ok=True)
    for nth, (age_s, dropped, breakers) in enumerate(
        ((4, {}, {}), (9, {"queue_full": 41}, {"nmt-treatment": "open"}), (4000, {}, {}))
    ):
        delivery = {"delivered": 120_000 - 37 * nth, "spooled": 37 * nth, "state": "ok"}
        said = {
            "pid": 4100 + nth, "host": "gpu-node-2", "at_s": now_s - age_s, "accepted": 120_041,
            "dropped": dropped, "delivery": delivery, "breakers": breakers,
        }  # fmt: skip
        (spool / f"{nth}.health.json").write_text(json.dumps(said))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    tell(target, time.time())
