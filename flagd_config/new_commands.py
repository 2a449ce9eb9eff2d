"""The command `experiment new`: writes an experiment from options, or from what it asks for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openfeature_triton.flagd_config import options
from openfeature_triton.flagd_config.options import CouldNotRun, make_against, plainly

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.new_experiment import NewExperiment

_EXAMPLE = (
    "Example: openfeature-triton experiment new nmt-indictrans3 --task nmt --language hi,ta "
    "--control nmt-indictrans2 --treatment nmt-indictrans3 --baseline 0.95 --minimum-effect 0.01"
)


GUARDRAILS = "error_rate:10%, latency_p95:20%"
_RATE = click.FloatRange(0, 1, min_open=True, max_open=True)
_SIZE = click.FloatRange(0, min_open=True)


@click.command(short_help="Write an experiment as a draft.", epilog=_EXAMPLE)
@click.argument("key", required=False)
@click.option("--task", help="The task type, e.g. nmt.")
@click.option("--language", metavar="TAG,...", help="Only these languages, BCP 47; else all.")
@click.option("--control", metavar="[NAME=]SERVICE", help="What is used today.")
@click.option(
    "--treatment", "treatments", metavar="[NAME=]SERVICE", multiple=True, help="What is tried."
)
@click.option("--share", "shares", metavar="NAME=SHARE%", multiple=True, help="Else all the same.")
@click.option("--unit", type=click.Choice(["request", "user"]), help="What a targeting key names.")
@click.option("--metric", help="The primary metric: success_rate, error_rate, latency or your own.")
@click.option("--baseline", type=_RATE, help="The rate expected of control.")
@click.option(
    "--deviation",
    type=_SIZE,
    help="Of no rate, the standard deviation of one request (for latency, of its logarithm).",
)
@click.option(
    "--minimum-effect",
    type=_SIZE,
    help="The smallest effect worth finding, in the metric's unit; of latency, a share.",
)
@click.option("--planned-requests", type=click.IntRange(1), help="Else the planner says it.")
@click.option("--guardrails", help=f'By how much what may be worse, else "{GUARDRAILS}".')
@click.option("--owner", help="Who is to be asked.")
@click.option("--hypothesis", help="What is expected, and why.")
@click.option("--priority", type=int, help="Which experiment of a task is asked first: the lowest.")
@options.start
@options.end
@click.option("--reason", default="", help="Why; kept in the audit log.")
@options.registry
@options.task_types
@options.flags
@options.bucketing
@options.as_json
def new(
    path: Path,
    reason: str,
    registry: str | None,
    task_types: str,
    bucketing: str,
    *,
    as_json: bool,
    **said: Any,
) -> None:
    """Write experiment KEY into a flag file, new or not, as a draft that `lint` finds nothing in.

    On a terminal, what is not given is asked for. `planned_requests` comes from the planner, for a
    test that one may look at any time. `experiment start` then lets it take requests.
    """
    from openfeature_triton.flagd_config.new_experiment import write_experiment
    from openfeature_triton.flagd_config.offers import NotOfferedError

    with plainly(path):
        try:
            wanted = _wanted(said)
        except NotOfferedError as error:
            raise CouldNotRun(str(error)) from error
        made = write_experiment(path, wanted, reason, make_against(registry, bucketing, task_types))
    planned = wanted.metadata.get("planned_requests")
    if as_json:
        click.echo(json.dumps({**made.as_dict(), "planned_requests": planned}, indent=2))
        return
    click.echo(made.diff)
    click.echo(f"{path}: {wanted.key} is written as a draft of {planned:,} requests; next:")
    click.echo(f"openfeature-triton experiment start {wanted.key} --flags {path}")


def _wanted(said: Mapping[str, Any]) -> NewExperiment:
    """Make the experiment of what was said, and of what is asked for now."""
    from openfeature_triton.flagd_config.dates import Dates
    from openfeature_triton.flagd_config.new_experiment import NewExperiment

    key = _ask(said["key"], "KEY", "The experiment's key")
    task = _ask(said["task"], "--task", "Task type (asr, nmt, tts, ocr, ner, …)")
    languages = _languages(_ask(said["language"], "--language", "Languages, e.g. hi,ta", ""))
    name, service = _named(_ask(said["control"], "--control", "Service of today"), "control")
    services = {name: service, **_treatments(said["treatments"])}
    if len(services) <= len(said["treatments"] or (1,)):
        raise CouldNotRun("two variants have the same name — write --treatment NAME=SERVICE")
    weights = _weights(services, said["shares"])
    return NewExperiment(
        key=key,
        task_type=task,
        languages=languages,
        control=name,
        services=services,
        weights=weights,
        dates=Dates(said["start"], said["end"]),
        metadata=_metadata(said, weights),
    )


def _metadata(said: Mapping[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    """Give what goes into the metadata as it is, with the planner's number."""
    unit = _ask(said["unit"], "--unit", "The targeting key is the id of a", "request")
    metric = _ask(said["metric"], "--metric", "Primary metric", "success_rate")
    effect = _ask_number(
        said["minimum_effect"], "--minimum-effect", "Smallest effect worth finding"
    )
    baseline, planned = _plan(said, metric, effect, weights)
    return {
        "unit": unit,
        "priority": said["priority"],
        "primary_metric": metric,
        "minimum_effect": effect,
        "baseline": baseline,
        "planned_requests": planned,
        "guardrails": _ask(said["guardrails"], "--guardrails", "Guardrails", GUARDRAILS),
        "owner": _ask(said["owner"], "--owner", "Owner", ""),
        "hypothesis": _ask(said["hypothesis"], "--hypothesis", "Hypothesis", ""),
    }


def _plan(
    said: Mapping[str, Any], metric: str, effect: float, weights: Mapping[str, int]
) -> tuple[float | None, int]:
    """Give the baseline, of a rate, and the requests that it takes."""
    from openfeature_triton.flagd_config.new_experiment import RATES, plan_requests

    baseline: float | None = said["baseline"]
    if said["planned_requests"] is not None:
        return baseline, said["planned_requests"]
    if metric in RATES:
        baseline = spread = _ask_number(baseline, "--baseline", f"{metric} of control today", _RATE)
    else:
        spread = _ask_number(said["deviation"], "--deviation", "Standard deviation of one request")
    return baseline, plan_requests(metric, effect, spread, weights)


def _ask(given: str | None, option: str, question: str, default: str | None = None) -> str:
    """Give what was given, or else what a person answers; without a person, the default."""
    if given is not None:
        return given
    if sys.stdin.isatty():
        answer: str = click.prompt(question, default=default, err=True)
        return answer.strip()
    if default is None:
        raise click.UsageError(f"{option} is missing")
    return default


def _ask_number(
    given: float | None, option: str, question: str, kind: click.FloatRange = _SIZE
) -> float:
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise click.UsageError(f"{option} is missing")
    answer: float = click.prompt(question, type=kind, err=True)
    return answer


def _languages(text: str) -> tuple[str, ...]:
    """Read languages as BCP 47 writes them."""
    from openfeature_triton.flagd_config.languages import canonical_language

    found = []
    for tag in filter(None, (each.strip() for each in text.split(","))):
        canonical = canonical_language(tag)
        if canonical is None:
            raise CouldNotRun(f"{tag!r} is no language of BCP 47 — write e.g. hi, ta or en-US")
        found.append(canonical)
    return tuple(dict.fromkeys(found))


def _treatments(given: tuple[str, ...]) -> dict[str, str]:
    texts = given or (_ask(None, "--treatment", "Service to try"),)
    names = [f"treatment-{index}" for index in range(1, len(texts) + 1)]
    return dict(map(_named, texts, names if len(texts) > 1 else ["treatment"]))


def _named(text: str, name: str) -> tuple[str, str]:
    given, equals, service = text.partition("=")
    return (given.strip(), service.strip()) if equals else (name, text.strip())


def _weights(services: Mapping[str, str], shares: tuple[str, ...]) -> dict[str, int]:
    from openfeature_triton.flagd_config.errors import Place
    from openfeature_triton.flagd_config.ramp import new_weights, read_shares

    if not shares and 100 % len(services):
        return dict.fromkeys(services, 1)
    return new_weights(dict.fromkeys(services, 1), read_shares(shares), Place("--share"))
