"""TritonProvider around another OpenFeature provider: evaluation alone, errors and events."""

from __future__ import annotations

from typing import Any

import pytest
from openfeature import api
from openfeature.event import EventDetails, ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import ProviderStatus
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from openfeature_triton.provider import Experiments, RouteReason, Service, TritonProvider
from tests.flagd_servers import eventually

SERVICE = Service(service_id="asr-fast", task_type="asr", url="127.0.0.1:1", model_name="fast")


class Counting(InMemoryProvider):
    """An in-memory provider that can emit, fail, and tells that it was shut down."""

    def __init__(self) -> None:
        super().__init__(
            {
                "asr": InMemoryFlag("treatment", {"treatment": {"service": "asr-fast"}}),
                "word": InMemoryFlag("a", {"a": "apple"}),
            }
        )
        self.ended = False

    def resolve_integer_details(self, *_: Any, **__: Any) -> FlagResolutionDetails[int]:
        """Somebody else's bug."""
        raise ZeroDivisionError

    def shutdown(self) -> None:
        """Remember it."""
        self.ended = True


@pytest.fixture
def inner() -> Counting:
    """The provider that evaluates, registered inside of ours."""
    inner = Counting()
    api.set_provider_and_wait(TritonProvider(inner, {"asr-fast": SERVICE}))
    return inner


@pytest.mark.usefixtures("inner")
def test_a_variant_becomes_its_service() -> None:
    """The registry's part is the same, whoever evaluates."""
    details = api.get_client().get_object_details("asr", {})
    assert details.variant == "treatment"
    assert details.value["url"] == "127.0.0.1:1"  # type: ignore[call-overload]
    assert api.get_client().get_string_value("word", "own") == "apple"


@pytest.mark.usefixtures("inner")
def test_errors_leave_the_default() -> None:
    """A missing flag keeps its code; a bug of the other provider is no bug of the caller."""
    client = api.get_client()
    assert client.get_string_details("nothing", "own").error_code is ErrorCode.FLAG_NOT_FOUND
    details = client.get_integer_details("word", 7)
    assert (details.value, details.error_code) == (7, ErrorCode.GENERAL)


@pytest.mark.usefixtures("inner")
def test_requests_by_task_go_to_their_callers_own_service() -> None:
    """Without a document there is no catalogue."""
    experiments = Experiments(api.get_client(), own={"mine": SERVICE})
    route = experiments.route("asr", service_id="mine", targeting_key="request-1")
    assert route.reason is RouteReason.NO_EXPERIMENT
    experiments.close()


def test_its_events_are_passed_on(inner: Counting) -> None:
    """STALE inside is STALE outside."""
    told: list[EventDetails] = []
    api.add_handler(ProviderEvent.PROVIDER_STALE, told.append)
    inner.emit_provider_stale(ProviderEventDetails(message="old"))
    eventually(lambda: bool(told))  # handlers run in threads of the SDK's
    assert [details.message for details in told] == ["old"]
    assert api.get_client().get_provider_status() is ProviderStatus.STALE


def test_it_is_shut_down_with_ours(inner: Counting) -> None:
    """Whoever registers ours has nothing else to end."""
    api.shutdown()
    assert inner.ended
