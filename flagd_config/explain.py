"""Explain: why a request gets the variant that it gets, or none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from openfeature_triton.flagd_config.dates import iso, take_dates
from openfeature_triton.flagd_config.document import Document
from openfeature_triton.flagd_config.experiment import Experiment
from openfeature_triton.flagd_config.languages import canonical_language
from openfeature_triton.flagd_config.reference import rule_data
from openfeature_triton.flagd_config.registry_services import KnownService
from openfeature_triton.flagd_config.trace import Trace, Tracer


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one flag gives in one context, and why; `variant` is None for the caller's default."""

    flag_key: str
    context: Mapping[str, Any]
    bucketing: str
    why: str
    trace: Trace
    variant: str | None = None
    value: Any = None
    experiment: Experiment | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    service: KnownService | None = None
    error: str | None = None

    @property
    def service_id(self) -> str | None:
        """The id of the variant's service, None without a variant or for a plain flag."""
        return None if self.variant is None else self.services.get(self.variant)

    def as_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON can hold; a service's credential is not known here."""
        bucket, experiment = self.trace.bucket, self.experiment
        return {
            "flag_key": self.flag_key,
            "context": dict(self.context),
            "is_experiment": experiment is not None,
            "variant": self.variant,
            "value": self.value,
            "why": self.why,
            "error": self.error,
            "branch": "/".join(map(str, ("targeting", *self.trace.branch))),
            "conditions": [asdict(each) for each in self.trace.conditions],
            "bucket": None if bucket is None else asdict(bucket),
            "bucketing": self.bucketing,
            "phase": None if experiment is None else experiment.phase,
            "service_id": self.service_id,
            "service": None if self.service is None else asdict(self.service),
        }


def explain_flag(
    document: Document,
    key: str,
    context: Mapping[str, Any],
    services: Mapping[str, KnownService] | None = None,
    timestamp: int | None = None,
) -> Explanation:
    """Explain one flag; raises KeyError where the document has none of that key.

    `timestamp` is the moment to look at, in seconds since 1970, now if not given.
    An experiment, concluded or not, sees the language in its canonical form, and is asked once
    more with its first subtag (`hi` of `hi-IN`) where it takes no request in the whole tag, as the
    provider does.
    """
    if key not in document.experiments and key not in document.shipped:
        return _explain(document, key, context, services, timestamp)
    context = in_canonical_language(context)
    found = _explain(document, key, context, services, timestamp)
    primary = context.get("language_primary")
    if (
        found.variant is None
        and found.error is None
        and primary not in (None, "", context["language"])
    ):
        return _explain(document, key, {**context, "language": primary}, services, timestamp)
    return found


def explain_task(
    document: Document,
    task_type: str,
    context: Mapping[str, Any],
    services: Mapping[str, KnownService] | None = None,
    timestamp: int | None = None,
) -> list[Explanation]:
    """Explain the experiments of a task, concluded ones last, as a request is offered to them.

    The last one is the one that takes it, if its variant is not None.
    """
    context = {**context, "task_type": task_type}
    asked = []
    for offer in document.offers_of(task_type):
        asked.append(explain_flag(document, offer.key, context, services, timestamp))
        if asked[-1].variant is not None:
            break
    return asked


def in_canonical_language(context: Mapping[str, Any]) -> dict[str, Any]:
    """Give the context with `language` in BCP 47's letters and `language_primary` beside it."""
    given = context.get("language")
    canonical = canonical_language(given) if isinstance(given, str) else None
    if canonical is None:
        return dict(context)
    return {**context, "language": canonical, "language_primary": canonical.split("-")[0]}


class _Result(NamedTuple):
    """What a flag gives, None for the caller's default, and why."""

    variant: str | None
    why: str
    error: str | None = None


def _explain(
    document: Document,
    key: str,
    context: Mapping[str, Any],
    services: Mapping[str, KnownService] | None,
    timestamp: int | None,
) -> Explanation:
    flag, experiment = document.flags[key], document.experiments.get(key)
    offer = experiment or document.shipped.get(key)
    known = {} if offer is None else offer.services
    moment = int(time.time()) if timestamp is None else timestamp
    tracer = Tracer(rule_data(context, key, moment), key, document.bucketing)
    variant, why, error = _result(flag, tracer, moment)
    return Explanation(
        key,
        context,
        document.bucketing,
        why,
        tracer.trace,
        variant,
        flag["variants"].get(variant),
        experiment,
        known,
        (services or {}).get(known.get(variant or "", "")),
        error,
    )


def _result(flag: Mapping[str, Any], tracer: Tracer, moment: int) -> _Result:
    if flag["state"] == "DISABLED":
        return _Result(None, "the flag is DISABLED")
    targeting = flag.get("targeting")
    if not targeting:
        return _default(flag, "the flag has no targeting")
    try:
        named = tracer.run(targeting)
    except Exception as error:  # noqa: BLE001 json-logic raises whatever a rule provokes
        return _Result(None, "the targeting fails", type(error).__name__)
    if named is None:
        return _default(flag, _why_none(tracer.trace, targeting, moment))
    name = str(named).lower() if isinstance(named, bool) else str(named)
    if flag["variants"].get(name) is None:
        return _Result(None, f"the targeting gives {name!r}", "which is not a variant")
    return _Result(name, "the split chose it" if tracer.trace.bucket else "the targeting names it")


def _why_none(trace: Trace, targeting: Any, moment: int) -> str:
    bucket, (dates, _) = trace.bucket, take_dates(targeting)
    if bucket is None and not dates.hold(moment):
        return f"it takes requests only {dates}, and it is {iso(moment)}"
    if bucket is None:
        return "no branch of the targeting matches"
    if bucket.hashed is None:
        return "there is nothing to bucket by: the targeting key or attribute is missing"
    if not bucket.total:
        return "flagd drops the split: its weights are not usable"
    return "the split's share for it names no variant"


def _default(flag: Mapping[str, Any], why: str) -> _Result:
    default = flag.get("defaultVariant")
    name = str(default).lower() if isinstance(default, bool) else default
    if name:
        return _Result(name, f"{why}, so the default")
    return _Result(None, f"{why}, and no default is set")
