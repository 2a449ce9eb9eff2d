"""Evaluation in v2 against flagd itself, asked over OFREP wherever a binary is found."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagType

from openfeature_triton.flagd_config import parse_document
from openfeature_triton.flagd_config.dates import Dates, condition_of
from openfeature_triton.provider.evaluator import Evaluator
from tests.flagd_servers import Flagd, eventually, flagd_binary

VARIANTS = {"clubs": "♣", "diamonds": "♦", "hearts": "♥", "spades": "♠"}
FOUR: list[Any] = [[name, 25] for name in VARIANTS]
NAME: Any = {"var": "user.name"}
NAMES = ("jack", "queen", "ten", "nine", "", "größe", "名前", "😀")


def fractional(*arguments: Any) -> Any:
    """A split over these arguments."""
    return {"fractional": list(arguments)}


def with_cat(*parts: Any) -> Any:
    """The four cards, split by a text put together."""
    return fractional({"cat": list(parts)}, *FOUR)


# What flagd and flagd-core 1.0 make the same of, and what only flagd's answer decides.
# fmt: off
RULES: dict[str, Any] = {
    "fractional-flag": with_cat({"var": "$flagd.flagKey"}, NAME),
    "by-name": fractional(NAME, *FOUR),
    "by-key": fractional(*FOUR),
    "key-größe-😀": fractional(*FOUR),
    "by-email-of-flag": with_cat({"var": "$flagd.flagKey"}, {"var": "email"}),
    "weights-omitted": fractional(["clubs"], ["hearts"], ["spades", 3]),
    "weights-zero": fractional(["clubs", 0], ["hearts", 1], ["spades", 0]),
    "weights-negative": fractional(["clubs", -7], ["hearts", 1], ["spades", 2]),
    "weights-float": fractional(["clubs", 33.3], ["hearts", 66.7]),
    "weights-integral": fractional(["clubs", 50.0], ["hearts", 50.0]),
    "weights-null": fractional(["clubs", None], ["hearts", 3]),
    "weights-text": fractional(["clubs", "50"], ["hearts", 50]),
    "weights-huge": fractional(["clubs", 2**31 - 1]),
    "weights-too-huge": fractional(["clubs", 2**31 - 1], ["hearts", 1]),
    "weights-none": fractional(["clubs", 0], ["hearts", 0]),
    "weights-computed": fractional(["clubs", {"+": [10, 20]}], ["hearts", {"var": "age"}]),
    "share-of-three": fractional(["clubs", 50, "x"], ["hearts", 50]),
    "share-empty": fractional([], ["hearts", 50]),
    "by-missing": fractional({"var": "nothing"}, *FOUR),
    "by-empty": fractional("", *FOUR),
    "by-number": fractional({"var": "age"}, *FOUR),
    "by-boolean": fractional({"var": "beta"}, *FOUR),
    "by-object": fractional({"var": "user"}, *FOUR),
    "cat-null": with_cat("a", {"var": "nothing"}, "b"),
    "cat-boolean": with_cat("a", {"var": "beta"}),
    "cat-number": with_cat("a", {"var": "age"}, 1.5),
    "cat-huge": with_cat("a", 1e21),
    "cat-sum": with_cat("a", {"+": [0.1, 0.2]}),
    "cat-trimmed": with_cat(" \u00a0", {"var": "email"}, "\u3000\n"),
    "cat-one": with_cat("  a "),
    "guarded": {"if": [{"and": [{"==": [{"var": "email"}, "a@b.c"]}, {"in": [NAME, ["jack"]]}]},
                       fractional(*FOUR)]},
    "versions": {"if": [{"sem_ver": [{"var": "version"}, ">=", "1.2.0"]}, fractional(*FOUR),
                        "clubs"]},
    "edges": {"if": [{"starts_with": [{"var": "email"}, "a"]}, "clubs",
                     {"ends_with": [NAME, "n"]}, "hearts", fractional(*FOUR)]},
    "unknown-variant": {"if": [{"==": [NAME, "jack"]}, "joker", fractional(*FOUR)]},
    "in-dates": {"if": [condition_of(Dates(1, 4_000_000_000)), fractional(*FOUR)]},
    "before-dates": {"if": [condition_of(Dates(start=4_000_000_000)), fractional(*FOUR)]},
    "after-dates": {"if": [condition_of(Dates(end=1_764_000_000)), fractional(*FOUR)]},
    "boolean-result": {"==": [NAME, "jack"]},
}
# fmt: on
DOCUMENT = json.dumps(
    {
        "flags": {
            key: {
                "state": "ENABLED",
                "variants": VARIANTS,
                "defaultVariant": "spades" if key.startswith("fractional") else None,
                "targeting": rule,
            }
            for key, rule in RULES.items()
        }
    }
)


class Seen(NamedTuple):
    """What an evaluation gives, as OFREP tells it."""

    value: Any
    variant: str | None
    reason: str | None
    error_code: str | None


def contexts() -> Iterator[dict[str, Any]]:
    """Requests as OFREP sends them."""
    for number, name in enumerate(NAMES):
        for unit in (f"request-{number}", f"größe-{number}", "", None):
            said: dict[str, Any] = {"user": {"name": name}, "email": f"{name}@b.c", "age": number}
            if unit is not None:
                said["targetingKey"] = unit
            yield {**said, "beta": number % 2 == 0, "version": f"1.{number}.0"}


def ours(bucketing: str = "v2") -> Callable[[str, dict[str, Any]], Seen]:
    """Our evaluation of the document."""
    read = parse_document(DOCUMENT, source="rules", bucketing=bucketing)
    evaluator = Evaluator(read)

    def evaluate(key: str, said: dict[str, Any]) -> Seen:
        attributes = {name: value for name, value in said.items() if name != "targetingKey"}
        context = EvaluationContext(said.get("targetingKey"), attributes)
        found = evaluator.resolve(FlagType.STRING, key, None, context)
        if found.error_code is not None:
            return Seen(None, None, None, found.error_code.value)
        return Seen(found.value, found.variant, str(found.reason), None)

    return evaluate


@pytest.mark.parametrize(("bucketing", "card"), [("v2", "hearts"), ("v3", "diamonds")])
def test_the_canary_tells_the_generations_apart(bucketing: str, card: str) -> None:
    """Of the flag `fractional-flag`, jack gets hearts in v2 and diamonds in v3."""
    assert ours(bucketing)("fractional-flag", {"user": {"name": "jack"}}).variant == card


@pytest.mark.parametrize(
    ("key", "said", "variant"),
    [
        ("weights-integral", {"targetingKey": "request-0"}, {"clubs", "hearts"}),
        ("weights-null", {"targetingKey": "request-0"}, {"clubs", "hearts"}),
        ("share-of-three", {"targetingKey": "request-0"}, {"clubs", "hearts"}),
        ("by-missing", {"targetingKey": "request-0"}, set(VARIANTS)),
        ("by-empty", {}, {"clubs"}),
        ("by-number", {"targetingKey": "request-0", "age": 5}, {None}),
        ("by-boolean", {"targetingKey": "request-0", "beta": True}, {None}),
        ("weights-float", {"targetingKey": "request-0"}, {None}),
    ],
)
def test_v2_is_flagds_where_flagd_core_differs(
    key: str, said: dict[str, Any], variant: set[str | None]
) -> None:
    """The differences that flagd 0.16.1 shows, where there is no flagd to ask."""
    assert ours()(key, said).variant in variant


def test_v2_gives_what_flagd_gives(tmp_path: Path) -> None:
    """Each rule gives each context flagd's own value, variant, reason and error code."""
    flagd_binary()
    file = tmp_path / "flags.json"
    file.write_text(DOCUMENT, encoding="utf-8")
    flagd = Flagd(file, real=True)
    flagd.start()
    try:
        eventually(lambda: _listens(flagd.ofrep_port))
        with closing(http.client.HTTPConnection("127.0.0.1", flagd.ofrep_port)) as connection:
            evaluate = ours()
            different = [
                (key, said, mine, its)
                for key in RULES
                for said in contexts()
                if (mine := evaluate(key, said)) != (its := _ask(connection, key, said))
            ]
            jack = _ask(connection, "fractional-flag", {"user": {"name": "jack"}})
    finally:
        flagd.kill()
    assert jack.variant == "hearts"
    assert not different, "\n".join(map(str, different[:20]))


def _listens(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        try:
            return _ask(connection, "by-key", {"targetingKey": "x"}).variant is not None
        except OSError:
            return False


def _ask(connection: http.client.HTTPConnection, key: str, said: dict[str, Any]) -> Seen:
    path = "/ofrep/v1/evaluate/flags/" + "".join(f"%{byte:02X}" for byte in key.encode())
    headers = {"Content-Type": "application/json"}
    connection.request("POST", path, json.dumps({"context": said}).encode(), headers)
    answer = json.loads(connection.getresponse().read())
    if "errorCode" in answer:
        return Seen(None, None, None, answer["errorCode"])
    # A missing variant or value is OFREP's way to say that the caller's default holds.
    return Seen(answer.get("value"), answer.get("variant") or None, answer.get("reason"), None)
