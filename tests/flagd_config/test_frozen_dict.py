from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_triton.flagd_config.frozen_dict import FrozenDict


def _item(mapping: Any) -> None:
    mapping["a"] = 2


def _delete(mapping: Any) -> None:
    del mapping["a"]


def _merge(mapping: Any) -> None:
    mapping |= {"a": 2}


CHANGES: list[Callable[[Any], Any]] = [
    _item,
    _delete,
    _merge,
    lambda mapping: mapping.clear(),
    lambda mapping: mapping.pop("a"),
    lambda mapping: mapping.popitem(),
    lambda mapping: mapping.setdefault("b", 1),
    lambda mapping: mapping.update(a=2),
]


@pytest.mark.parametrize("change", CHANGES)
def test_refuses_every_change(change: Callable[[Any], Any]) -> None:
    """No method of a dict changes a frozen one."""
    mapping = FrozenDict({"a": 1})
    with pytest.raises(TypeError, match="frozen"):
        change(mapping)
    assert mapping == {"a": 1}


def test_travels() -> None:
    """A frozen dict can be pickled, copied and written as JSON."""
    mapping = FrozenDict({"a": 1})
    assert pickle.loads(pickle.dumps(mapping)) == mapping  # noqa: S301 our own bytes
    assert isinstance(copy.deepcopy(mapping), FrozenDict)
    assert json.dumps(mapping) == '{"a": 1}'
