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
from openfeature_triton.hooks.schema import (
    CLUSTER_TAGS,
    SERIES_TAGS,
    cluster_fields,
    cluster_metric_fields,
)

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
    by_user: bool = False

    @property
    def control(self) -> str:
        """The first variant."""
        return next(iter(self.arms))

    def flag(self, weights: dict[str, int]) -> dict[str, Any]:
        """The flag as an operator writes it."""
        plan = {
            "experiment": True, "task_type": self.task_type, "control": self.control,
            "unit": "user" if self.by_user else "request", "primary_metric": "success_rate",
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


GUARDED = {"guardrails": "error_rate:10%, latency_p95:20%"}
EVEN = ({"control": 50, "treatment": 50},)
TWELVE = ("as", "bn", "gu", "hi", "kn", "ml", "mr", "or", "pa", "ta", "te", "ur")


def pair(control: Arm, treatment: Arm) -> dict[str, Arm]:
    """Two variants."""
    return {"control": control, "treatment": treatment}


def stories() -> tuple[Story, ...]:
    """An experiment for each verdict, and some odd ones."""
    return (
        Story(
            key="nmt-indictrans3",
            task_type="nmt",
            arms=pair(
                Arm(0.052, 180, {"bleu_score": (31, 9), "output_characters": (84, 30)}),
                Arm(0.031, 168, {"bleu_score": (31.9, 9), "output_characters": (85, 30)}),
            ),
            weights=({"control": 90, "treatment": 10}, *EVEN),
            days=12,
            per_hour=105,
            languages=("hi", "hi-IN", "ta-IN"),
            metadata={
                **GUARDED,
                "owner": "translation",
                "hypothesis": "IndicTrans3 fails less on Hindi and Tamil",
            },
        ),
        Story(
            key="asr-streaming-conformer",
            task_type="asr",
            arms=pair(Arm(0.02, 240), Arm(0.034, 150)),
            weights=EVEN,
            days=6,
            per_hour=300,
            languages=("hi", "en", "bn"),
            metadata={**GUARDED, "owner": "speech", "planned_requests": 60_000},
        ),
        Story(
            key="ocr-tiny-vit",
            task_type="ocr",
            arms=pair(Arm(0.03, 90), Arm(0.03, 60)),
            weights=EVEN,
            days=4,
            per_hour=200,
            languages=("en",),
            metadata={"owner": "documents"},
            lost={"treatment": 0.12},
        ),
        Story(
            key="tts-vits-small",
            task_type="tts",
            arms=pair(Arm(0.06, 400), Arm(0.041, 398)),
            weights=EVEN,
            days=9,
            per_hour=90,
            metadata={"guardrails": "latency_p99:2%", "owner": "voices"},
        ),
        Story(
            key="ner-muril-large",
            task_type="ner",
            arms=pair(Arm(0.012, 35), Arm(0.0121, 35.2)),
            weights=EVEN,
            days=14,
            per_hour=170,
            languages=("hi", "mr"),
            metadata={"owner": "search", "planned_requests": 50_000},
        ),
        Story(
            key="asr-noise-filter",
            task_type="asr",
            arms=pair(
                Arm(0.05, 210, {"word_accuracy": (0.91, 0.08)}),
                Arm(0.047, 222, {"word_accuracy": (0.913, 0.08)}, fallen=0.03),
            ),
            weights=({"control": 80, "treatment": 20},),
            days=5,
            per_hour=260,
            languages=("hi", "ta", "te"),
            metadata={"owner": "speech", "planned_requests": 90_000},
            by_user=True,
        ),
        Story(
            key="nmt-distilled-canary",
            task_type="nmt",
            arms=pair(Arm(0.02, 170), Arm(0.02, 120)),
            weights=({"control": 99, "treatment": 1},),
            days=0.6,
            per_hour=150,
            languages=("en",),
            metadata={"owner": "translation"},
        ),
        Story(
            key="nmt-five-decoders",
            task_type="nmt",
            arms={
                "greedy": Arm(0.04, 150),
                "beam-2": Arm(0.035, 180),
                "beam-4": Arm(0.03, 230),
                "beam-8": Arm(0.031, 330),
                "sampling": Arm(0.045, 160),
            },
            weights=(dict.fromkeys(("greedy", "beam-2", "beam-4", "beam-8", "sampling"), 20),),
            days=10,
            per_hour=400,
            languages=TWELVE,
            metadata={"owner": "translation", "planned_requests": 120_000},
        ),
        Story(
            key="ocr-handwriting",
            task_type="ocr",
            arms=pair(Arm(0.1, 300), Arm(0.09, 280)),
            weights=EVEN,
            days=8,
            per_hour=60,
            languages=("hi",),
            metadata={"owner": "documents"},
            state="DISABLED",
            hours_ago=30,
        ),
        Story("asr-not-yet", "asr", pair(Arm(0, 1), Arm(0, 1)), EVEN, days=0, per_hour=0),
        Story(
            key=HOSTILE,
            task_type="tts",
            arms={"control": Arm(0.03, 90), "<b>new</b>": Arm(0.03, 80)},
            weights=({"control": 50, "<b>new</b>": 50},),
            days=2,
            per_hour=40,
            languages=("hi",),
        ),
    )


def tell(folder: Path, now_s: float, told: tuple[Story, ...] = ()) -> None:
    """Write store, flag file and health files as of a time."""
    told = told or stories()
    url = f"sqlite:///{folder / 'store.db'}"
    flags = folder / "flags.json"
    rng = np.random.default_rng(11)
    sink = SqlSink(url)
    for story in told:
        began_s = now_s - (story.days * 24 + story.hours_ago - 1) * HOUR_S
        start_s = int(began_s) // HOUR_S * HOUR_S
        hours = int(story.days * 24)
        for nth, weights in enumerate(story.weights):
            flags.write_text(json.dumps({"flags": {story.key: story.flag(weights)}}))
            experiment = read_document(flags).experiments[story.key]
            first, after = (hours * each // len(story.weights) for each in (nth, nth + 1))
            if hours:
                _say_phase(url, experiment, (start_s + first * HOUR_S) * 10**9)
            minute_s = int(now_s) % HOUR_S // 300 * 300
            hours_s = [start_s + hour * HOUR_S + minute_s for hour in range(first, after)]
            phase = experiment.phase
            sink.write([p for at_s in hours_s for p in _hour(rng, story, phase, weights, at_s)])
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
    rng: np.random.Generator, story: Story, phase: str, weights: dict[str, int], time_s: int
) -> Iterator[Point]:
    """One hour of each variant and language, as windows of an hour."""
    whole = sum(weights.values())
    window_ns, hour_ns = (time_s // each * each * 10**9 + 17 for each in (300, HOUR_S))
    busy = 0.55 + 0.45 * np.sin((time_s / HOUR_S % 24 - 9) / 24 * 2 * np.pi) ** 2
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
                yield Point(
                    "inference_light", series, window_ns, _light(rng, arm, latency_ms, failed)
                )
                yield Point("inference_latency", series, hour_ns, _bins(latency_ms))
                _add(rng, by_user, latency_ms, failed)
        if story.by_user:
            named = (story.key, phase, variant, variant, story.task_type)
            series = tuple(zip(CLUSTER_TAGS, named, strict=True))
            yield Point("inference_clusters", series, hour_ns, _clusters(rng, arm, by_user))


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


def _clusters(rng: np.random.Generator, arm: Arm, by_user: Any) -> dict[str, float]:
    fields: dict[str, float] = {}
    for bucket, values in enumerate(by_user):
        if not values[0]:
            continue
        fields |= zip(cluster_fields(bucket), map(float, values), strict=True)
        for name, (mean, spread) in arm.metrics.items():
            count = float(values[0] - values[1])
            whole = float(mean * count + spread * np.sqrt(count) * rng.standard_normal())
            fields |= zip(cluster_metric_fields(bucket, name), (count, whole), strict=True)
    return fields


def _say_health(spool: Path, now_s: float) -> None:
    spool.mkdir(exist_ok=True)
    for nth, (age_s, dropped, breakers) in enumerate(
        ((4, {}, {}), (9, {"queue_full": 41}, {"nmt-treatment": "open"}), (4000, {}, {}))
    ):
        delivery = {"delivered": 120_000 - 37 * nth, "spooled": 37 * nth, "state": "delivering"}
        delivery |= {"in_doubt": 12} if nth == 0 else {}
        said = {
            "pid": 4100 + nth, "host": "gpu-node-2", "at_s": now_s - age_s, "accepted": 120_041,
            "dropped": dropped, "delivery": delivery, "breakers": breakers,
        }  # fmt: skip
        (spool / f"{nth}.health.json").write_text(json.dumps(said))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    tell(target, time.time())
