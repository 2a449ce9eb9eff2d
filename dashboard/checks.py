"""What `doctor` asks of this folder: whether the dashboard and `watch` can read the store."""

from __future__ import annotations

import time
from contextlib import closing

from openfeature_triton.dashboard.open_store import open_store
from openfeature_triton.dashboard.settings import DashboardSettings
from openfeature_triton.dashboard.store import SEEN, Query
from openfeature_triton.flagd_config.counted import counted
from openfeature_triton.hooks import MissingStoreError, StoreError


def reading() -> list[tuple[str, str, str]]:
    """Whether the store can be read, and how much there is to see."""
    try:
        with closing(open_store(DashboardSettings())) as store:
            began_s = time.monotonic()
            experiments = {each.experiment for each in store.read(Query(SEEN))[0]}
            took_ms = (time.monotonic() - began_s) * 1000
    except MissingStoreError as error:
        return [("warning", f"{error.store}: {error.problem}", error.advice)]
    except StoreError as error:
        return [("broken", f"{error.store}: {error.problem}", error.advice)]
    seen = counted(len(experiments), "experiment")
    return [("fine", f"{seen} with traffic, read in {took_ms:.0f} ms", "")]
