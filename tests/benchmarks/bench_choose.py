"""Choosing a variant, as ratios to the OpenFeature SDK's no-op provider in the same run.

    python tests/benchmarks/bench_choose.py

What is compared is timed in turn, a few hundred calls at a time, by the thread's processor time, so
that other programs count little; two threads are timed by the clock. Printed are the median and the
middle half of the time per call and of the ratio. No provider hook is asked for: with OpenTelemetry
installed a look at the current span comes on top.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider
from openfeature.provider.no_op_provider import NoOpProvider

from openfeature_triton.flagd_config import Document, DocumentReader, example, parse_document
from openfeature_triton.provider import Service, TritonProvider
from openfeature_triton.provider.deliveries import Deliveries
from openfeature_triton.provider.evaluator import Evaluator

ROUNDS = 60
CALLS = 200
EXPERIMENTS = 1_000
FLAGS = 5_000
LANGUAGE = "hi"

Call = Callable[[EvaluationContext], object]


class Bare(TritonProvider):
    """The provider without OpenTelemetry's hook."""

    def get_provider_hooks(self) -> list[Hook]:
        """No hooks."""
        return []


def main() -> None:
    """Time each pair in turn, and print them."""
    flags = example("nmt")
    (experiment,) = parse_document(flags.read_bytes(), source="nmt").experiments.values()
    services = {name: _service(name) for name in experiment.services.values()}
    ours, stock = Bare(flags, services), _stock(str(flags))
    floor = _client("floor", NoOpProvider())
    triton, flagd = _client("triton", ours), _client("flagd", stock)
    key = experiment.key

    def asking(client: OpenFeatureClient) -> Call:
        return lambda context: client.get_object_details(key, {}, context)

    def assign(context: EvaluationContext) -> object:
        return ours.assign("nmt", LANGUAGE, context.targeting_key)

    assert triton.get_object_details(key, {}, _contexts(1)[0]).variant is not None
    _print("SDK, no-op provider", "SDK, stock flagd provider", asking(floor), asking(flagd))
    _print("SDK, no-op provider", "SDK, TritonProvider", asking(floor), asking(triton))
    _print("SDK, no-op provider", "TritonProvider.assign", asking(floor), assign)
    _print_async(triton, key, asking(triton))
    _print_threads("SDK, TritonProvider", asking(triton))
    _print_threads("TritonProvider.assign", assign)
    _print_catalogue(services, "language", _by_language)
    _print_catalogue(services, "another attribute", _by_tenant)
    _print_compiling()
    api.shutdown()


def _print(base_name: str, name: str, base: Call, call: Call) -> None:
    bases, times = [], []
    for _ in range(ROUNDS):
        bases.append(_us(base))
        times.append(_us(call))
    ratios = [mine / its for mine, its in zip(times, bases, strict=True)]
    print(
        f"{name:26} {_spread(times)} µs   {base_name:20} {_spread(bases)} µs   × {_spread(ratios)}"
    )


def _print_async(client: OpenFeatureClient, key: str, sync: Call) -> None:
    async def ask() -> float:
        contexts = _contexts(CALLS)
        started = time.thread_time()
        for context in contexts:
            await client.get_object_details_async(key, {}, context)
        return (time.thread_time() - started) / CALLS * 1e6

    with asyncio.Runner() if hasattr(asyncio, "Runner") else _Loop() as runner:
        ratios = [runner.run(ask()) / _us(sync) for _ in range(ROUNDS)]
    print(f"{'async over sync':26} × {_spread(ratios)}")


class _Loop:
    """`asyncio.Runner` for Python 3.10."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


def _print_threads(name: str, call: Call) -> None:
    """Throughput of two threads together over that of one; each round is some 50 ms."""
    ratios = []
    for _ in range(15):
        one = _per_second(call, 1)
        ratios.append(_per_second(call, 2) / one)
    print(f"{name + ', 2 threads':34} throughput × {_spread(ratios)}")


def _per_second(call: Call, threads: int, calls: int = 5_000) -> float:
    contexts = _contexts(calls)

    def work() -> None:
        for context in contexts:
            call(context)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * calls / (time.perf_counter() - started)


def _print_catalogue(
    services: dict[str, Service], by: str, condition: Callable[[int], Any]
) -> None:
    """The last of 1,000 experiments of one task over the only one."""
    last = EXPERIMENTS - 1
    one, many = (
        _provider(services, [last], condition),
        _provider(services, range(EXPERIMENTS), condition),
    )
    language, says = f"l{last}", {"tenant": f"t{last}"}

    def assigning(provider: TritonProvider) -> Call:
        return lambda context: provider.assign("nmt", language, context.targeting_key, says)

    assert assigning(many)(_contexts(1)[0]) == assigning(one)(_contexts(1)[0])
    _print("assign, 1 experiment", f"1,000 by {by}", assigning(one), assigning(many))


def _by_language(number: int) -> Any:
    return {"in": [{"var": "language"}, [f"l{number}"]]}


def _by_tenant(number: int) -> Any:
    return {"==": [{"var": "tenant"}, f"t{number}"]}


def _print_compiling() -> None:
    """From the text to the flags in force, as a source does it; the collector's time is in it."""
    text = _document(range(FLAGS), _by_language).encode()
    times = []
    for _ in range(5):
        flags = Bare("unread.json", {}).flags
        deliveries = Deliveries(DocumentReader("made"), flags)
        time.sleep(1.0)  # the collector has its rest after each large document
        started = time.thread_time()
        deliveries.text(text)
        times.append((time.thread_time() - started) * 1e3)
        assert flags.evaluator is not None
    document = DocumentReader("made").read(text)
    tracemalloc.start()
    evaluator = Evaluator(document)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(
        f"{FLAGS:,} experiment flags: read, checked and compiled in {statistics.median(times):.0f} "
        f"ms, {memory / len(evaluator.flags) / 1024:.1f} KiB of compiled code each"
    )


def _provider(
    services: dict[str, Service], numbers: Iterable[int], condition: Callable[[int], Any]
) -> TritonProvider:
    provider = Bare("unread.json", services)
    provider.flags.on_document(_parsed(numbers, condition, list(services)))
    return provider


def _parsed(
    numbers: Iterable[int], condition: Callable[[int], Any], services: list[str]
) -> Document:
    return parse_document(_document(numbers, condition, services), source="made")


def _document(
    numbers: Iterable[int],
    condition: Callable[[int], Any],
    services: list[str] | None = None,
) -> str:
    """Experiments as operators write them, each with a condition of its own."""
    control, treatment = services or ["nmt-1", "nmt-2"]
    task = {"==": [{"var": "task_type"}, "nmt"]}
    split = {"fractional": [["control", 50], ["treatment", 50]]}
    flags = {
        f"experiment-{number:05}": {
            "state": "ENABLED",
            "variants": {"control": {"service": control}, "treatment": {"service": treatment}},
            "defaultVariant": None,
            "targeting": {"if": [{"and": [task, condition(number)]}, split]},
            "metadata": {"experiment": True, "task_type": "nmt", "control": "control"},
        }
        for number in numbers
    }
    return json.dumps({"flags": flags})


def _service(service_id: str) -> Service:
    return Service(service_id=service_id, task_type="nmt", url="127.0.0.1:1", model_name=service_id)


def _stock(path: str) -> AbstractProvider:
    return FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=path)


def _client(domain: str, provider: AbstractProvider) -> OpenFeatureClient:
    api.set_provider_and_wait(provider, domain)
    return api.get_client(domain)


def _contexts(count: int) -> list[EvaluationContext]:
    says = {"task_type": "nmt", "language": LANGUAGE}
    return [EvaluationContext(f"request-{number}", says) for number in range(count)]


def _us(call: Call) -> float:
    contexts = _contexts(CALLS)
    started = time.thread_time()
    for context in contexts:
        call(context)
    return (time.thread_time() - started) / CALLS * 1e6


def _spread(values: list[float]) -> str:
    """The median, and between what half of the values lie."""
    lower, middle, upper = statistics.quantiles(values, n=4)
    return f"{middle:7.3f} ({lower:.3f} to {upper:.3f})"


if __name__ == "__main__":
    main()
