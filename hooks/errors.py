"""Errors: what this folder raises, and only when a store is opened or looked at.

HooksError
└── StoreError                   the store can't be used; the message names it and what to do
    ├── StoreUrlError            its URL can't be read, or names a database that we don't support
    ├── NotADatabaseError        its file holds something else
    ├── ForeignStoreError        its tables are somebody else's
    ├── MissingStoreError        there is no store yet
    └── StoreUnavailableError    it can't be reached, is locked, read-only or full

Recording raises none of them: `Recorder` counts and tries again.
"""

from __future__ import annotations


class HooksError(Exception):
    """Anything that `hooks` raises on purpose."""


class StoreError(HooksError):
    """The store can't be used.

    Attributes:
        store: its URL, password masked.
        problem: what is wrong.
        advice: what to do.
    """

    def __init__(self, store: str, problem: str, advice: str) -> None:
        super().__init__(f"{store}: {problem}; {advice}")
        self.store = store
        self.problem = problem
        self.advice = advice

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, str, str]]:
        """Let the error cross a process boundary."""
        return type(self), (self.store, self.problem, self.advice)


class StoreUrlError(StoreError):
    """The URL can't be read, or names a kind of database that can't be a store."""


class NotADatabaseError(StoreError):
    """The file holds something else than a database."""


class ForeignStoreError(StoreError):
    """A table of one of our names has columns that are not ours."""


class MissingStoreError(StoreError):
    """There is no store where one is to be read."""


class StoreUnavailableError(StoreError):
    """The store can't be reached, is locked, read-only or full."""
