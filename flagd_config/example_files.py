"""The flag files that operators start from, one experiment per task type."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "examples"


def example_task_types() -> tuple[str, ...]:
    """Give the task types that have an example, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.iterdir()))


def example(task_type: str) -> Path:
    """Give the path of the example flag file of a task type; raises ValueError without one."""
    for path in _FOLDER.iterdir():
        if path.stem == task_type:
            return path
    raise ValueError(f"no example for {task_type!r}; there are: {', '.join(example_task_types())}")
