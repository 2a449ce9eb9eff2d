"""Placement: where requests go that are alike, worked out once for all of them.

Requests of one variant, in one language, from one service differ by their targeting keys alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from openfeature_triton.provider.direct_tracking import Named
from openfeature_triton.provider.route import Route, RouteReason


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The route of requests that are alike, without their targeting keys.

    `named` says whose their outcomes are; `may_rest` whether an open breaker sends them home.
    """

    route: Route
    named: Named
    is_experiment: bool
    is_by_user: bool
    may_rest: bool

    def route_of(self, targeting_key: str | None) -> Route:
        """The route of one of those requests."""
        return self.route._replace(targeting_key=targeting_key)


def place(route: Route) -> Placement:
    """Work out what all requests have in common that go this way."""
    return Placement(
        route=route,
        named=Named(
            route.experiment,
            route.phase,
            route.variant,
            route.served,
            route.task_type,
            route.language,
        ),
        is_experiment=route.is_experiment,
        is_by_user=route.unit == "user",
        may_rest=route.reason is not RouteReason.FORCED and route.is_sent_elsewhere,
    )


Placed = tuple[Placement, "str | None"]
"""Where one request goes, and its targeting key."""
