"""The OpenAPI document, held against the dashboard by schemathesis."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from openfeature_triton.dashboard import create_app
from openfeature_triton.dashboard.access import Access, Token, change_access
from openfeature_triton.dashboard.openapi import openapi
from openfeature_triton.dashboard.passwords import hash_token
from tests.dashboard.conftest import NOW, Outcome, World

TOKEN = "oft_sentinel-token"
EXAMPLES = 25


OPERATIONS = [(path, method) for path, methods in openapi()["paths"].items() for method in methods]

# A key that was made up is no experiment, and a start may lie after its end: documented refusals.
LEFT_OUT = [positive_data_acceptance, negative_data_rejection, unsupported_method]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_dashboard_answers_as_the_document_says(world: World, path: str, method: str) -> None:
    """Whatever is asked, the status, the type and the shape of the answer are those documented."""
    world.record("e", [Outcome("old", 1.0)])
    kept = {"nmt": Token(hash_token(TOKEN), "track")}
    change_access(world.folder / "access.json", lambda _: Access({}, kept))
    app = create_app(world.settings(), clock=lambda: NOW)
    operation = schemathesis.openapi.from_wsgi("/api/openapi.json", app)[path][method]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def check(case: schemathesis.Case[Any]) -> None:
        if "key" in case.path_parameters and len(case.path_parameters["key"]) % 2:
            case.path_parameters["key"] = "e"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        case.call_and_validate(headers=headers, excluded_checks=LEFT_OUT)

    check()
    app.extensions["intake"].close()


def test_the_document_holds_each_address_for_machines(world: World) -> None:
    """No route of the API is missing from it."""
    app = create_app(world.settings())
    rules = {str(rule).replace("<key:key>", "{key}") for rule in app.url_map.iter_rules()}
    assert {rule for rule in rules if rule.startswith("/api/")} | {"/metrics"} == set(
        openapi()["paths"]
    )
