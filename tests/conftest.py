"""One reset of OpenFeature's global state after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openfeature import api


@pytest.fixture(autouse=True)
def _fresh_openfeature() -> Iterator[None]:
    """Leave no provider, hook or context behind."""
    yield
    api.shutdown()
    api.clear_providers()
    api.clear_hooks()
