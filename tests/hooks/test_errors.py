"""Errors of opening and reading a store."""

from __future__ import annotations

import pickle
import re

from openfeature_triton.hooks import errors


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each class is drawn, and what is drawn is a class."""
    drawn = set(re.findall(r"\w+Error\b", errors.__doc__ or ""))
    assert drawn == {name for name in vars(errors) if name.endswith("Error")}


def test_a_store_error_crosses_processes() -> None:
    """A pickled error says the same."""
    error = errors.NotADatabaseError("store.db", "it is a text", "name another file")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), str(copy)) == (errors.NotADatabaseError, str(error))
    assert str(error) == "store.db: it is a text; name another file"
