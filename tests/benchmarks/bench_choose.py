"""Choosing a variant through the stock SDK client, as a ratio to the SDK's no-op provider.

Run by hand: `python tests/benchmarks/bench_choose.py`. Both are timed in turn in one run; printed
are the median and the spread over the rounds of the time per evaluation, and of their ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.no_op_provider import NoOpProvider

from openfeature_triton.flagd_config import example
from openfeature_triton.provider import Service, TritonProvider

ROUNDS = 15
CALLS = 4000


def _service(service_id: str) -> Service:
    return Service(service_id=service_id, task_type="asr", url="127.0.0.1:1", model_name=service_id)


def _seconds_per_call(evaluate: Callable[[EvaluationContext], object], language: str) -> float:
    contexts = [
        EvaluationContext(f"request-{n}", {"task_type": "asr", "language": language})
        for n in range(CALLS)
    ]
    started = time.perf_counter()
    for context in contexts:
        evaluate(context)
    return (time.perf_counter() - started) / CALLS


def main() -> None:
    """Time the floor and the provider in turn, and print both."""
    services = {each: _service(each) for each in ("asr-careful", "asr-fast")}
    provider = TritonProvider(example("asr"), services)
    api.set_provider_and_wait(NoOpProvider(), "floor")
    api.set_provider_and_wait(provider, "ours")
    floor, ours = api.get_client("floor"), api.get_client("ours")
    (experiment,) = provider.document.of_task("asr") if provider.document else ()
    language = experiment.languages[0]
    floors, times = [], []
    for _ in range(ROUNDS):
        floors.append(
            _seconds_per_call(lambda c: floor.get_object_details(experiment.key, {}, c), language)
        )
        times.append(
            _seconds_per_call(lambda c: ours.get_object_details(experiment.key, {}, c), language)
        )
    ratios = [mine / base for mine, base in zip(times, floors, strict=True)]
    for name, values, scale, unit in (
        ("no-op provider", floors, 1e6, "µs"),
        ("TritonProvider", times, 1e6, "µs"),
        ("ratio", ratios, 1.0, "×"),
    ):
        scaled = sorted(value * scale for value in values)
        print(
            f"{name:16} median {statistics.median(scaled):7.2f} {unit}"
            f"   min {scaled[0]:.2f}   max {scaled[-1]:.2f}"
        )
    api.shutdown()


if __name__ == "__main__":
    main()
