"""Rules about variants: their services, the control, the default, and who can be sent to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openfeature_triton.flagd_config.errors import shown
from openfeature_triton.flagd_config.findings import Draft
from openfeature_triton.flagd_config.split_rules import weight_of
from openfeature_triton.flagd_config.targeting import operation

Steps = tuple[str | int, ...]


def check_variants(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find variants of an experiment that are no service, and two that are the same."""
    seen: dict[str, str] = {}
    for name, value in flag["variants"].items():
        where = (*steps, "variants", name)
        service = value.get("service") if isinstance(value, dict) else None
        if not isinstance(service, str) or not service.strip() or len(value) != 1:
            yield Draft(
                "variant-without-service",
                where,
                f"the variant {name!r} is not a service",
                'write {"service": "<service_id>"} and nothing else, an id of the registry',
            )
        elif service in seen:
            yield Draft(
                "same-service",
                where,
                f"{name!r} and {seen[service]!r} are both {service!r}: there is nothing to compare",
                "name another service, unless you want to see that equals are equal",
            )
        else:
            seen[service] = name


def check_control(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find an experiment without a control."""
    control, names = flag["metadata"].get("control"), ", ".join(flag["variants"])
    if "control" not in flag["metadata"]:
        yield Draft(
            "control",
            (*steps, "metadata"),
            "the experiment has no `control`, so nothing can be compared",
            f'add "control": and the name of a variant ({names})',
        )
    elif not isinstance(control, str) or control not in flag["variants"]:
        yield Draft(
            "control",
            (*steps, "metadata", "control"),
            f"the control {shown(control)} is not a variant",
            f"name one of: {names}",
        )


def check_default(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find a default that is no variant; an experiment must have none at all."""
    default = flag.get("defaultVariant")
    if not default:
        return
    name = str(default).lower() if isinstance(default, bool) else default
    if name not in flag["variants"]:
        yield Draft(
            "variant-unknown",
            (*steps, "defaultVariant"),
            f"{name!r} is not a variant ({', '.join(flag['variants'])})",
            "name a variant, or write null for the caller's own default",
        )
    elif (flag.get("metadata") or {}).get("experiment") is True:
        yield Draft(
            "default-variant",
            (*steps, "defaultVariant"),
            f"everyone who does not match is sent to {name!r}, and so into the experiment",
            "write null: requests that do not match then go to the caller's own service",
        )


def check_reach(flag: Mapping[str, Any], steps: Steps) -> Iterator[Draft]:
    """Find variants that targeting names and has not, and those that it can never give."""
    results = list(_results(flag.get("targeting"), (*steps, "targeting")))
    reached = {str(flag.get("defaultVariant"))}
    for where, value in results:
        if where is None:
            return  # computed while evaluating: it may give any
        name = str(value).lower() if isinstance(value, bool) else value
        named = isinstance(name, str) and "fractional" not in where  # a split's own rules say so
        if named and name not in flag["variants"]:
            yield _unknown(name, flag, where)
        reached.add(str(name))
    if flag["state"] != "ENABLED" or not flag.get("targeting"):
        return
    for name in flag["variants"]:
        if name not in reached:
            yield Draft(
                "variant-unreachable",
                (*steps, "variants", name),
                f"nobody can be sent to the variant {name!r}",
                "give it a weight or a branch of the targeting, or remove it",
            )


def _unknown(name: str, flag: Mapping[str, Any], where: Steps) -> Draft:
    return Draft(
        "variant-unknown",
        where,
        f"the targeting gives {name!r}, which is not a variant ({', '.join(flag['variants'])})",
        "correct the name, or add the variant",
    )


def _results(rule: Any, steps: Steps) -> Iterator[tuple[Steps | None, Any]]:
    """Give the constants that a rule can give, with their places; a place of None is any value."""
    found = operation(rule)
    if found is None:
        yield (None, None) if isinstance(rule, (dict, list)) and rule else (steps, rule)
    elif found.name in ("if", "?:"):
        last = len(found.arguments) - 1
        for index, argument in enumerate(found.arguments):
            if index % 2 == 1 or index == last:
                yield from _results(argument, (*steps, found.name, index))
    elif found.name == "fractional":
        for index, share in enumerate(found.arguments):
            if isinstance(share, list) and share and weight_of(share) != 0:
                yield from _results(share[0], (*steps, found.name, index, 0))
    else:
        yield None, None
