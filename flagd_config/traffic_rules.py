"""Rules about experiments beside each other, and against what runs already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.experiment import Experiment, is_experiment
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.registry_services import KnownService

Steps = tuple[str | int, ...]


def check_overlaps(experiments: Mapping[str, Experiment]) -> Iterator[Draft]:
    """Find running experiments that want the same requests; given in the order they are asked."""
    by_task: dict[str, _Asked] = {}
    for each in experiments.values():
        if not each.enabled:
            continue
        asked = by_task.setdefault(each.task_type, _Asked())
        first = asked.first_on_the_traffic_of(each)
        if first is not None:
            yield _overlapping(first, each)
        asked.add(each)


class _Asked:
    """The experiments of a task that are asked so far, found by their languages."""

    def __init__(self) -> None:
        self._all: list[tuple[int, Experiment]] = []
        self._by_language: dict[str, list[tuple[int, Experiment]]] = {}

    def add(self, experiment: Experiment) -> None:
        placed = (len(self._all), experiment)
        self._all.append(placed)
        for language in experiment.languages or ("",):
            self._by_language.setdefault(language, []).append(placed)

    def first_on_the_traffic_of(self, experiment: Experiment) -> Experiment | None:
        """Give the first that takes requests in a language of its, at the same time."""
        groups = [self._by_language.get(each, []) for each in (*experiment.languages, "")]
        firsts = [
            next((each for each in group if each[1].dates.overlap(experiment.dates)), None)
            for group in (groups if experiment.languages else [self._all])
        ]
        found = min(filter(None, firsts), key=lambda each: each[0], default=None)
        return None if found is None else found[1]


def _overlapping(first: Experiment, second: Experiment) -> Draft:
    ordered = first.priority != second.priority
    both = [language for language in first.languages if language in second.languages]
    shared = f"in {', '.join(both)}" if both else "in some languages"
    order = "by priority" if ordered else "by nothing but their keys"
    return Draft(
        "overlap-ordered" if ordered else "overlap",
        ("flags", second.key),
        f"{first.key!r} runs on the same {second.task_type} traffic {shared} and is asked first, "
        f"{order}: this one gets what that one leaves",
        "give them languages of their own, or say by `priority` which is asked first",
    )


def check_removed_variants(before: Mapping[str, Any], flags: Mapping[str, Any]) -> Iterator[Draft]:
    """Find variants that a running experiment has lost; `before` are the flags as they run."""
    for key, old in before.items():
        if not isinstance(old, dict) or not isinstance(old.get("metadata"), dict):
            continue
        if not is_experiment(old) or old.get("state") != "ENABLED" or key not in flags:
            continue
        new = flags[key]
        if new["state"] != "ENABLED" or not isinstance(old.get("variants"), dict):
            continue
        for name in old["variants"]:
            if name not in new["variants"] and is_experiment(new):
                yield Draft(
                    "variant-removed",
                    ("flags", key, "variants"),
                    f"the variant {name!r} was removed or renamed while the experiment runs: "
                    "its outcomes cannot be compared any further",
                    "put it back with weight 0, or stop the experiment and begin another",
                )


def check_services(
    flag: Mapping[str, Any], services: Mapping[str, KnownService], steps: Steps
) -> Iterator[Draft]:
    """Find services of an experiment that the registry does not offer for its task."""
    task_type = flag["metadata"].get("task_type")
    for name, value in flag["variants"].items():
        service_id = value.get("service") if isinstance(value, dict) else None
        where = (*steps, "variants", name, "service")
        if not isinstance(service_id, str):
            continue
        service = services.get(service_id)
        if service is None:
            yield Draft(
                "service-unknown",
                where,
                f"the service {service_id!r} is not in the registry",
                f"correct the id, or: openfeature-triton service add {service_id}",
            )
            continue
        if not service.published:
            yield Draft(
                "service-unpublished",
                where,
                f"the service {service_id!r} is not published, so no request is sent to it",
                f"openfeature-triton service publish {service_id}",
            )
        if isinstance(task_type, str) and service.task_type != task_type:
            yield Draft(
                "service-wrong-task",
                where,
                f"the service {service_id!r} does {service.task_type!r}, not {task_type!r}",
                "name a service of this task type, or correct `task_type`",
            )
